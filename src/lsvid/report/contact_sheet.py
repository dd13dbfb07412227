"""A contact sheet: the first, the middle and the last picture of every span on one page, to see whether labels fit."""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np

from lsvid.annotations.spans import LocatedSpan
from lsvid.annotations.stages import AnnotatedClip, Work
from lsvid.errors import DataError, LsvidError
from lsvid.files.outputs import whole_file
from lsvid.files.unfinished import unfinished_folder
from lsvid.findings import Findings
from lsvid.labels.colours import PALETTE
from lsvid.labels.tree import join_path
from lsvid.progress import Progress, unheard
from lsvid.video.pictures import PictureOptions, Wanted, picture_name, write_pictures
from lsvid.workers.processes import Processes


def write_contact_sheet(
    clips: Sequence[AnnotatedClip],
    path: str | Path,
    labels: Sequence[tuple[str, ...]],
    findings: Findings,
    *,
    inputs: Iterable[str] = (),
    short_side: int = 120,
    jobs: int | None = None,
    on_progress: Progress = unheard,
) -> int:
    """Write one HTML page, whole in itself, with a row for each span of `clips`; returns the number of rows.

    Spans stand in the order of their clips, then by time. A picture that cannot be decoded is missing, and said so.
    `on_progress` gets the pictures done since the last call, and the number of all. `path` may be in S3. Raises
    DataError where there is no span, or the disk is full; SettingsError where `path` is there and is no contact sheet,
    or one of `inputs`.
    """
    shown = [clip for clip in clips if any(work.spans for work in clip.works)]
    if not shown:
        raise DataError("there is no span to show", "see which there are: lsvid export-spans --all")
    frames = [sorted({frame for _, span in _spans(clip) for frame in _three(span)}) for clip in shown]
    total, done = sum(map(len, frames)), [0] * len(shown)

    def report(position: int, count: float) -> None:
        on_progress(max(int(count) - done[position], 0), total)
        done[position] = int(count)

    colours = {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(dict.fromkeys(label[0] for label in labels))}
    rows = 0
    with whole_file(path, _is_sheet, inputs) as page, unfinished_folder() as temporary:
        folders = [Path(temporary, str(position)) for position in range(len(shown))]
        wanted = [
            Wanted(str(clip.path), str(folder), np.array(numbers, dtype=np.int64))
            for clip, folder, numbers in zip(shown, folders, frames, strict=True)
        ]
        results = write_pictures(wanted, PictureOptions(quality=80, short_side=short_side), Processes(jobs), report)
        for clip, result in zip(shown, results, strict=True):
            if isinstance(result, LsvidError):
                findings.warn(f"no pictures of clip {clip.id}: {result.message}", result.hint)
            elif result.missing:
                findings.warn(f"clip {clip.id} is damaged: {len(result.missing)} of its pictures cannot be decoded")
        with page.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            count = sum(len(work.spans) for clip in shown for work in clip.works)
            file.write(_head(count, len(shown), [join_path(label) for label in labels]))
            for clip, folder in zip(shown, folders, strict=True):
                file.write(f"<h2>{escape(clip.id)}</h2>\n")
                for work, span in _spans(clip):
                    file.write(_row(clip, work, span, folder, colours.get(span.label[0], "#888")))
                    rows += 1
            file.write(_FOOT)
    return rows


def _is_sheet(start: bytes) -> bool:
    """Whether a file begins as a contact sheet does."""
    return (
        re.match(rb'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>[\d,]+ spans of', start)
        is not None
    )


def _spans(clip: AnnotatedClip) -> Iterator[tuple[Work[LocatedSpan], LocatedSpan]]:
    """The spans of a clip and whose they are, by time."""
    spans = [(work, span) for work in clip.works for span in work.spans]
    yield from sorted(spans, key=lambda one: (one[1].start_frame or 0, one[1].stop_frame or 0, one[0].annotator))


def _three(span: LocatedSpan) -> tuple[int, int, int]:
    """The first, the middle and the last frame."""
    first, last = span.start_frame, span.stop_frame - 1
    return first, (first + last) // 2, last


def _row(clip: AnnotatedClip, work: Work[LocatedSpan], span: LocatedSpan, folder: Path, colour: str) -> str:
    index, label = clip.index, join_path(span.label)
    cells = []
    for name, frame in zip(("first", "middle", "last"), _three(span), strict=True):
        file = folder / picture_name(frame, index.n_frames, "jpg")
        data = base64.b64encode(file.read_bytes()).decode() if file.exists() else ""
        image = f'<img alt="{name}" src="data:image/jpeg;base64,{data}">' if data else "<i>cannot be decoded</i>"
        time_s = float(index.time_s(frame))
        cells.append(f"<figure>{image}<figcaption>{name}: {frame:,} &middot; {_clock(time_s)}</figcaption></figure>")
    first, _, last = _three(span)
    length_s = float(index.time_s(last + 1) - index.time_s(first))
    return (
        f'<section data-label="{escape(label)}" style="border-color:{colour}"><div><b>{escape(label)}</b><br>'
        f"frames {first:,} to {last:,}<br>{_clock(float(index.time_s(first)))}, {length_s:.2f} s<br>"
        f"<small>{escape(work.annotator)}</small></div>{''.join(cells)}</section>\n"
    )


def _clock(time_s: float) -> str:
    """Hours (where there are any), minutes and seconds, such as 9:59.960."""
    thousandths = round(time_s * 1000)
    sign, thousandths = ("-" if thousandths < 0 else ""), abs(thousandths)
    minutes, seconds = thousandths // 60_000, thousandths % 60_000 / 1000
    hours = f"{minutes // 60}:{minutes % 60:02d}" if minutes >= 60 else f"{minutes}"
    return f"{sign}{hours}:{seconds:06.3f}"


def _head(n_spans: int, n_clips: int, labels: Sequence[str]) -> str:
    options = "".join(f"<option>{escape(label)}</option>" for label in labels)
    return _HEAD.format(title=f"{n_spans:,} spans of {n_clips:,} clips", options=options)


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 0 16px 32px; color: #222; background: #fff }}
header {{ position: sticky; top: 0; background: #fff; padding: 8px 0; border-bottom: 1px solid #ccc }}
h2 {{ font-size: 15px; margin: 20px 0 4px }}
section {{ display: flex; gap: 12px; border-left: 6px solid; padding: 6px 10px; margin: 6px 0 }}
section div {{ width: 260px; overflow-wrap: anywhere }}
figure {{ margin: 0 }}
figcaption {{ font-size: 12px; color: #555; font-variant-numeric: tabular-nums }}
img {{ display: block; max-width: 26vw }}
i {{ display: block; width: 160px; padding: 40px 8px; background: #eee; text-align: center }}
[hidden] {{ display: none }}
</style></head><body>
<header>{title}. Frames count from 0; a span's last frame still belongs to it.
<label>Show <select><option value="">every label</option>{options}</select></label></header>
"""

_FOOT = """<script>
document.querySelector("select").addEventListener("change", event => {
  for (const row of document.querySelectorAll("section"))
    row.hidden = event.target.value !== "" && row.dataset.label !== event.target.value;
});
</script></body></html>
"""
