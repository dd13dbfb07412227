"""`lsvid check`."""

from collections import Counter
from dataclasses import asdict

import click

from lsvid.cli.groups import command
from lsvid.cli.options import document_root_option, s3_options, server_options
from lsvid.cli.output import Output, output_options


@command("check")
@click.argument("sources", nargs=-1, metavar="[DIR[=SERVER_DIR]|s3://...]...")
@click.option("--project", metavar="ID|TITLE", help="Check this project, too; digits only are an id.")
@click.option("--presign/--no-presign", default=True, show_default=True,
              help="With s3://: whether browsers are to read clips from S3 itself.")  # fmt: skip
@document_root_option
@s3_options
@server_options
@output_options
def check(
    output: Output,
    /,
    sources: tuple[str, ...],
    project: str | None,
    presign: bool,
    document_root: str | None,
    url: str,
    api_key: str | None,
) -> None:
    """Check that server, storage and clips work together. Nothing is changed.

    Each check gives one line: pass, warn or fail, and what to do. The exit code is 0 if nothing failed.

    \b
    Examples:
      lsvid check /data/clips --project Surgery
      lsvid check s3://recordings/2026 --project Surgery --s3-endpoint https://s3.example.org
    """
    from lsvid.label_studio.checks import CheckOptions, run_checks

    options = CheckOptions(url, api_key, sources, project, document_root, presign)
    colours = {"pass": "green", "warn": "yellow", "fail": "red"}
    found = []
    for one in run_checks(options):
        found.append(one)
        if not output.json and (not output.quiet or one.status == "fail"):
            output.text(f"  {one.name}: {one.message}", one.status, fg=colours[one.status])
            if one.remedy and one.status != "pass":
                output.text(f"      {one.remedy}")
    output.document = {"version": 1, "command": "check", "checks": [_plain(asdict(one)) for one in found]}
    counts = Counter(one.status for one in found)
    failed = [one.exit_code for one in found if one.status == "fail"]
    if failed:
        output.error(f"{len(failed)} of {len(found)} checks failed", "", max(failed))
    output.note(f"{counts['pass']} passed, {counts['warn']} warnings")


def _plain(check: dict[str, object]) -> dict[str, object]:
    return {name: check[name] for name in ("name", "status", "message", "remedy")}
