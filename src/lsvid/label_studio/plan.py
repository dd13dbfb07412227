"""Plan an import: which clips it adds to a project, and at which place in their case. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lsvid.findings import Findings, some
from lsvid.video.clips import ClipFile, clip_key, missing_numbers, natural_key


@dataclass(frozen=True)
class Imported:
    """A clip that a project has as a task."""

    task_id: int
    case: str
    name: str
    order: float
    fingerprint: str

    @property
    def id(self) -> str:
        """`case/name`, which is unique for each clip."""
        return f"{self.case}/{self.name}"


@dataclass(frozen=True)
class ImportPlan:
    """The clips to add (with their `order`, in the order in which to add them), those there already, and changed ones.

    changed: the project has the id already, but with other content.
    """

    new: list[ClipFile]
    unchanged: list[ClipFile]
    changed: list[tuple[ClipFile, Imported]]


def plan_import(
    existing: Sequence[Imported],
    clips: Sequence[ClipFile],
    fingerprints: Mapping[str, str],
    findings: Findings,
    unreadable: Sequence[ClipFile] = (),
) -> ImportPlan:
    """The plan for `clips`, which are in order, case by case, into a project that has `existing`.

    fingerprints: by clip id. unreadable: clips that are reported elsewhere, and are not counted as gaps. A new clip of
    a case that the project has already gets an `order` between those of its neighbours. Warns of clips that come late,
    of the same content under two names, and of gaps in the numbers of a case.
    """
    known: dict[str, Imported] = {}
    for imported in sorted(existing, key=lambda one: one.task_id):
        if imported.id in known:
            findings.warn(
                f"clip {imported.id} is in the project twice, tasks {known[imported.id].task_id} and "
                f"{imported.task_id}",
                "delete the task that has no annotations in the Data Manager",
            )
        else:
            known[imported.id] = imported
    changed = [(clip, known[clip.id]) for clip in clips if _differs(clip, known, fingerprints)]
    unchanged = [clip for clip in clips if clip.id in known and not _differs(clip, known, fingerprints)]
    new = []
    for case, members in _by_case(clips).items():
        there = sorted((one for one in known.values() if one.case == case), key=lambda one: one.order)
        new += place(there, members)
    _warn_of_late_clips(known, new, findings)
    _warn_of_late_cases(known, new, findings)
    _warn_of_same_content(known, new, fingerprints, findings)
    _warn_of_gaps(known, new, unreadable, findings)
    return ImportPlan(new, unchanged, changed)


def place(there: Sequence[Imported], clips: Sequence[ClipFile]) -> list[ClipFile]:
    """The clips of `clips` (one case, in order) that are not `there` (ascending by order), with the `order` they get.

    A clip comes after the one before it in `clips`, before the next one that is there already, and among the others
    by name. Clips at the end count on; clips between two others get numbers between theirs.
    """
    known = {one.name for one in there}
    following: list[str | None] = []  # for each clip, the next one that is there already
    for clip in reversed(clips):
        following.append(clip.name if clip.name in known else following[-1] if following else None)
    following.reverse()
    sequence: list[Imported | ClipFile] = list(there)
    at = 0  # the earliest place for the next clip
    for clip, anchor in zip(clips, following, strict=True):
        if clip.name in known:
            at = max(at, _position(sequence, clip.name) + 1)
            continue
        limit = len(sequence) if anchor is None else _position(sequence, anchor)
        while at < limit and clip_key(sequence[at].name) < clip_key(clip.name):
            at += 1
        sequence.insert(at, clip)
        at += 1
    return _numbered(sequence)


def _position(sequence: Sequence[Imported | ClipFile], name: str) -> int:
    return next(index for index, one in enumerate(sequence) if one.name == name)


def _numbered(sequence: Sequence[Imported | ClipFile]) -> list[ClipFile]:
    """The clips in `sequence`, with orders between those of the tasks around them."""
    placed = []
    before = 0.0
    waiting: list[ClipFile] = []
    for one in sequence:
        if isinstance(one, ClipFile):
            waiting.append(one)
            continue
        step = (one.order - before) / (len(waiting) + 1)
        placed += [_at(clip, before + step * k) for k, clip in enumerate(waiting, start=1)]
        waiting = []
        before = one.order
    first = float(int(before) + 1)
    return placed + [_at(clip, first + k) for k, clip in enumerate(waiting)]


def _at(clip: ClipFile, order: float) -> ClipFile:
    return ClipFile(clip.case, clip.name, clip.path, order)


def _differs(clip: ClipFile, known: Mapping[str, Imported], fingerprints: Mapping[str, str]) -> bool:
    return clip.id in known and known[clip.id].fingerprint != fingerprints[clip.id]


def _by_case(clips: Iterable[ClipFile]) -> dict[str, list[ClipFile]]:
    cases: defaultdict[str, list[ClipFile]] = defaultdict(list)
    for clip in clips:
        cases[clip.case].append(clip)
    return cases


def _warn_of_late_clips(known: Mapping[str, Imported], new: Sequence[ClipFile], findings: Findings) -> None:
    last: defaultdict[str, float] = defaultdict(float)
    for one in known.values():
        last[one.case] = max(last[one.case], one.order)
    late = [clip for clip in new if clip.order is not None and clip.order < last[clip.case]]
    if late:
        findings.warn(
            f"{some([clip.id for clip in late], 5)}: before clips that the project has already, but "
            "annotators get clips in the order of import",
            "in the Data Manager, filter by the case, sort by the column 'order', and label tasks as displayed",
        )


def _warn_of_late_cases(known: Mapping[str, Imported], new: Sequence[ClipFile], findings: Findings) -> None:
    there = {one.case for one in known.values()}
    if not there:
        return
    last = max(there, key=natural_key)
    late = sorted({clip.case for clip in new if natural_key(clip.case) < natural_key(last)} - there, key=natural_key)
    if late:
        findings.warn(
            f"case {some(late, 5)} comes after case {last} for annotators: they are served in the order of import",
            "if the order of cases matters, sort by the columns 'case' and 'order' in the Data Manager",
        )


def _warn_of_same_content(
    known: Mapping[str, Imported], new: Sequence[ClipFile], fingerprints: Mapping[str, str], findings: Findings
) -> None:
    by_content: defaultdict[str, list[str]] = defaultdict(list)
    for one in known.values():
        by_content[one.fingerprint].append(one.id)
    fresh = set()
    for clip in new:
        by_content[fingerprints[clip.id]].append(clip.id)
        fresh.add(clip.id)
    for ids in by_content.values():
        if len(ids) > 1 and fresh.intersection(ids):
            findings.warn(
                f"the same content under {len(ids)} names: {some(ids, 5)}",
                "it will be labelled more than once: delete the copies, and their tasks in the Data Manager",
            )


def _warn_of_gaps(
    known: Mapping[str, Imported], new: Sequence[ClipFile], unreadable: Sequence[ClipFile], findings: Findings
) -> None:
    names: defaultdict[str, list[str]] = defaultdict(list)
    for imported in known.values():
        names[imported.case].append(imported.name)
    for clip in (*new, *unreadable):
        names[clip.case].append(clip.name)
    for case in sorted({clip.case for clip in new}, key=natural_key):
        if missing := missing_numbers(names[case]):
            findings.warn(
                f"case {case}: no clip numbered {some(missing, 5)}",
                "add what is missing and run again (it gets its place); case times count only the clips there are",
            )
