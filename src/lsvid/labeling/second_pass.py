"""Two-pass labelling: first people mark regions, fast and without labels; then each region gets its label. Pure.

As in https://support.prodi.gy/t/annotating-video-regions/6341. In the second pass people search the whole hierarchy,
and need not type labels.
"""

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from lsvid.labeling.config import AUDIO, SUB_LABELS, VIDEO, Timeline, labeling_config
from lsvid.labels.tree import LABEL_SEPARATOR, REGION_OF_INTEREST, Label, LabelTree

FIRST_PASS = LabelTree((Label(REGION_OF_INTEREST, hint="Mark every region that is to get a label"),))

MODEL_VERSION = "first pass"
"""The name of the first pass's regions in the second project, where they are predictions, which need a name."""

NAMING_INSTRUCTIONS = (
    "<p>The regions of this clip are marked already. Give each one its label:</p>"
    "<p>1. Click the region's row in the list, or the region itself, and play it.</p>"
    "<p>2. In the field at the right, type a part of the label's name and pick it, or open the tree.</p>"
    "<p>3. When every region has its label, press <b>Submit</b>; the next clip follows.</p>"
)


def second_pass_config(tree: LabelTree, timeline: Timeline = "frames", speed: str = "1") -> str:
    """The configuration of a second pass, as XML: regions, each with a searchable tree of the labels of `tree`."""
    first = labeling_config(FIRST_PASS, timeline, speed)
    head, found, tail = first.partition(SUB_LABELS)
    lines = [
        (
            f'        <Taxonomy name="label" toName="{VIDEO if timeline == "frames" else AUDIO}" perRegion="true"'
            ' required="true" requiredMessage="Pick the label of every region" maxUsages="1" showFullPath="true"'
            f' pathSeparator="{LABEL_SEPARATOR}" placeholder="The label of this region">'
        ),
        *(line for label in tree.labels for line in _choice_lines(label, 10)),
        "        </Taxonomy>",
    ]
    return "\n".join([head + found.rstrip("\n"), *lines, tail])


def _choice_lines(label: Label, indent: int) -> Iterator[str]:
    blanks = " " * indent
    attributes = f"value={quoteattr(label.name)}"
    for name, value in (("alias", label.id), ("hint", label.hint)):
        attributes += f" {name}={quoteattr(value)}" if value is not None else ""
    if not label.children:
        yield f"{blanks}<Choice {attributes}/>"
        return
    yield f"{blanks}<Choice {attributes}>"
    for child in label.children:
        yield from _choice_lines(child, indent + 2)
    yield f"{blanks}</Choice>"
