"""`lsvid formats`."""

from typing import TYPE_CHECKING, Any

from lsvid.cli.groups import command
from lsvid.cli.output import Output, output_options

if TYPE_CHECKING:
    from lsvid.writers.formats import Format


@command("formats")
@output_options
def formats(output: Output, /) -> None:
    """List what 'export-frames --format' writes and what is read, with what each format holds and loses.

    \b
    Examples:
      lsvid formats | less
      lsvid formats --json
    """
    from lsvid.readers import names
    from lsvid.writers import all_formats

    readers, written = names(), all_formats()
    output.document = {"write": {name: _described(known) for name, known in written.items()}, "read": readers}
    if output.json:
        return
    for name, known in written.items():
        output.text("", name, bold=True)
        output.text(f"  writes      {known.files}")
        output.text(f"  holds       {known.holds}")
        output.text(f"  loses       {known.loses}")
        output.text(f"  overlaps    {'yes' if known.overlaps else 'no: --overlap priority settles them'}")
        output.text(f"  annotators  {'several' if known.annotators else 'one: --annotator, or --merge'}")
        for flavour, meaning in known.flavours.items():
            output.text(f"  --flavour   {flavour}: {meaning}")
    output.text(f"\nRead by every command: {', '.join(readers)}.")


def _described(known: "Format") -> dict[str, Any]:
    return {
        "files": known.files,
        "holds": known.holds,
        "loses": known.loses,
        "overlapping_labels": known.overlaps,
        "several_annotators": known.annotators,
        "unit": known.unit,
        "options": sorted(known.options),
        "flavours": known.flavours,
    }
