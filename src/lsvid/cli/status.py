"""`lsvid status`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lsvid.cli.connection import connected
from lsvid.cli.groups import command
from lsvid.cli.options import server_options
from lsvid.cli.output import Output, output_options
from lsvid.clock import clock

if TYPE_CHECKING:
    from lsvid.label_studio.status import CaseStatus, ProjectStatus, Share

_HEADINGS = ("case", "annotator", "done", "skipped", "drafts", "left", "video", "work")


@command("status")
@click.option("--project", required=True, metavar="ID|TITLE", help="The project; digits only are an id.")
@server_options
@output_options
def status(output: Output, /, project: str, url: str, api_key: str | None) -> None:
    """Show the progress of a project: for each case and annotator, the clips done, skipped, begun and left.

    A line without an annotator is the whole case: how many clips have all their annotations, and how many lack some.
    The last lines give each person's numbers over all cases; if cases are assigned, "left" counts only those.

    "video" is the length of the clips done, "work" the time at the editor, both as hours:minutes:seconds.

    \b
    Examples:
      lsvid status --project Surgery
      lsvid status --project 3 --json
    """
    from lsvid.label_studio.status import project_status

    server = connected(output, url, api_key)
    with output.progress("Reading annotations") as step:
        found = project_status(server, project, step)
    output.document = _document(found, server.project_url(found.project.id))
    if not output.json:
        output.text(_table([_HEADINGS, *(row for one in found.cases for row in _rows(one)), *_people(found)]))
    clips, complete = sum(one.clips for one in found.cases), sum(one.complete for one in found.cases)
    output.note(
        f"project {found.project.id} ({found.project.title}): {complete} of {clips} clips have "
        f"{found.project.annotations_per_clip} annotation(s)"
    )


def _document(found: "ProjectStatus", address: str) -> dict[str, Any]:
    return {
        "version": 1,
        "command": "status",
        "project": {
            "id": found.project.id, "title": found.project.title, "url": address,
            "annotations_per_clip": found.project.annotations_per_clip,
        },
        "cases": [
            {
                "case": one.case, "clips": one.clips, "complete": one.complete, "left": one.clips - one.complete,
                "video_s": one.video_s,
                "annotators": [{"annotator": who, **asdict(share)} for who, share in sorted(one.annotators.items())],
            }
            for one in found.cases
        ],
        "people": [
            {"annotator": who, "assigned": found.assigned.get(who), **asdict(share)}
            for who, share in found.people.items()
        ],
    }  # fmt: skip


def _rows(one: "CaseStatus") -> list[tuple[str, ...]]:
    shares = one.annotators
    numbers = [
        str(one.complete), str(sum(share.skipped for share in shares.values())),
        str(sum(share.drafts for share in shares.values())), str(one.clips - one.complete),
        clock(one.video_s), clock(sum(share.work_s for share in shares.values())),
    ]  # fmt: skip
    rows: list[tuple[str, ...]] = [(one.case or "(none)", "", *numbers)]
    return rows + [("", who, *_numbers(share)) for who, share in sorted(shares.items())]


def _people(found: "ProjectStatus") -> list[tuple[str, ...]]:
    """A line for each person, over all cases, if there are several cases or cases are assigned."""
    people = found.people.items() if len(found.cases) > 1 or found.assigned else ()
    return [("all cases" if n == 0 else "", who, *_numbers(share)) for n, (who, share) in enumerate(people)]


def _numbers(share: "Share") -> tuple[str, ...]:
    counts = (share.done, share.skipped, share.drafts, share.left)
    return (*map(str, counts), clock(share.video_s), clock(share.work_s))


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        cells = left + [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
