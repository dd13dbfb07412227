"""What an update of the labels changes, and what annotations would lose by it: pure."""

from typing import Any

import pytest

from lsvid.labeling.changes import (
    LabelChanges,
    count_uses,
    label_changes,
    may_orphan,
    orphans,
)
from lsvid.labeling.config import Timeline, labeling_config
from lsvid.labeling.parsed import LabelingConfig
from lsvid.labels.files import parse_labels_text
from lsvid.labels.tree import Label, LabelTree


def tree(*lines: str) -> LabelTree:
    return parse_labels_text("\n".join(lines), "labels.txt")


def region(kind: str, name: str, values: list[Any]) -> dict[str, Any]:
    return {"id": "r", "type": kind, "from_name": name, "to_name": "video", "value": {kind: values}}


OLD = tree("Cut", "--Blunt", "--Sharp", "Suture", "--Knot", "----Square", "----Slip", "--Running", "Idle")


def test_added_and_removed_labels() -> None:
    new = tree("Cut", "--Blunt", "Suture", "--Knot", "----Square", "----Slip", "--Running", "--Stapled", "Idle")
    changes = label_changes(OLD, new)
    assert changes == LabelChanges(added=["Suture / Stapled"], removed=["Cut / Sharp"])
    assert changes.lines() == ["+ Suture / Stapled", "- Cut / Sharp"]
    assert label_changes(OLD, OLD) == LabelChanges()


def test_a_label_with_an_id_is_renamed_and_its_children_stay() -> None:
    old = LabelTree((Label("Cut", (Label("Blunt"),), id="cut"), Label("Idle")))
    new = LabelTree((Label("Incision", (Label("Blunt"),), id="cut"), Label("Waiting")))
    changes = label_changes(old, new)
    assert changes == LabelChanges(added=["Waiting"], removed=["Idle"], renamed=[("Cut", "Incision")])
    assert changes.lines() == ["+ Waiting", "- Idle", "~ Cut -> Incision"]


@pytest.mark.parametrize("timeline", ["frames", "waveform"])
def test_the_timeline_of_a_configuration(timeline: Timeline) -> None:
    config = labeling_config(OLD, timeline)
    assert LabelingConfig.parse(config).timeline == timeline
    assert LabelingConfig.parse(config).reads_rate


def test_the_timeline_of_other_configurations() -> None:
    both = LabelTree((Label("Cut", timeline="frames"), Label("Suture")))
    assert LabelingConfig.parse(labeling_config(both, "both")).timeline == "both"
    assert LabelingConfig.parse("<View></View>").timeline is None
    assert (
        LabelingConfig.parse('<View><Text name="t" value="$t"/><Labels name="l" toName="t"/></View>').timeline is None
    )
    assert not LabelingConfig.parse('<View><Video name="v" value="$video" frameRate="25"/></View>').reads_rate


def test_what_a_configuration_offers() -> None:
    offered = LabelingConfig.parse(labeling_config(OLD)).uses
    assert offered["task", "timelinelabels", ("Cut",)] == "Cut"
    assert sorted(offered.values()) == [
        "Cut", "Cut / Blunt", "Cut / Sharp", "Idle", "Suture", "Suture / Knot", "Suture / Knot / Slip",
        "Suture / Knot / Square", "Suture / Running",
    ]  # fmt: skip


def control(config: str, shown: str) -> str:
    return next(name for (name, _, _), text in LabelingConfig.parse(config).uses.items() if text == shown)


def test_labels_in_use_that_an_update_removes() -> None:
    old = labeling_config(OLD)
    new = labeling_config(tree("Cut", "--Blunt", "Suture", "--Knot", "----Slip", "--Running"))
    counts = count_uses(
        [
            region("timelinelabels", "task", ["Cut"]),
            region("timelinelabels", "task", ["Idle"]),
            region("timelinelabels", "task", ["Idle"]),
            region("choices", control(old, "Cut / Sharp"), ["Sharp"]),
            region("choices", control(old, "Suture / Knot / Square"), [["Knot"], ["Knot", "Square"]]),
            region("choices", control(old, "Suture / Running"), [["Running"]]),
            region("timelinelabels", "task", ["long gone"]),
            {"id": "relation", "type": "relation"},
            {"type": "timelinelabels", "value": None},
        ]
    )
    before, after = LabelingConfig.parse(old), LabelingConfig.parse(new)
    assert may_orphan(before, after)
    assert orphans(counts, before, after) == {"Idle": 2, "Cut / Sharp": 1, "Suture / Knot / Square": 1}
    assert orphans(counts, before, before) == {}
    assert not may_orphan(before, before)
    assert not may_orphan(after, before)


def test_renaming_under_an_id_takes_nothing() -> None:
    old = labeling_config(LabelTree((Label("Cut", (Label("Blunt", id="b"), Label("Sharp")), id="cut"),)))
    new = labeling_config(LabelTree((Label("Incision", (Label("Soft", id="b"), Label("Sharp")), id="cut"),)))
    offered = LabelingConfig.parse(new)
    assert not may_orphan(LabelingConfig.parse(old), offered)
    assert offered.uses["task", "timelinelabels", ("cut",)] == "Incision"
    assert offered.uses[control(new, "Incision / Soft"), "choices", ("b",)] == "Incision / Soft"
