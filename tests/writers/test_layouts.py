"""What the formats of readers that no registry has are, to the byte: what the code of those repositories took.

The commits are named in the writers. Their own functions were run on these layouts by hand (MS-TCN 33ed91c, TMRNet
6a0db47, Surgformer 21a9578, ActionFormer 61ea7eb, ActivityNet 82304fa, MMAction2 4d6c934).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from exports import clip, export, index, placed
from lsvid.annotations.stages import AnnotatedClip

LABELS = [("Cut",), ("Cut", "Blunt cut"), ("Sew",)]


def clips() -> list[AnnotatedClip]:
    """Two cases of three pictures."""
    first = [("Cut / Blunt cut", 0, 2), ("Sew", 2, 3)]
    return placed(clip("op 1/a", first, index(3)), clip("op 2/a", [("Cut", 1, 3)], index(3)))


GOLDENS: dict[str, dict[str, Any]] = {
    "mstcn": {
        "level_1/groundTruth/op_1.txt": "Cut\nCut\nSew\n",
        "level_1/groundTruth/op_2.txt": "background\nCut\nCut\n",
        "level_1/mapping.txt": "0 background\n1 Cut\n2 Sew\n",
        "level_1/splits/train.split1.bundle": "op_1.txt\nop_2.txt\n",
        "level_2/groundTruth/op_1.txt": "Blunt_cut\nBlunt_cut\nbackground\n",
        "level_2/groundTruth/op_2.txt": "background\nbackground\nbackground\n",
        "level_2/mapping.txt": "0 background\n1 Blunt_cut\n",
        "level_2/splits/train.split1.bundle": "op_1.txt\nop_2.txt\n",
    },
    "cholec80": {
        "level_1/phase_annotations/video01-phase.txt": "Frame\tPhase\n0\tCut\n1\tCut\n2\tSew\n",
        "level_1/phase_annotations/video02-phase.txt": "Frame\tPhase\n0\tbackground\n1\tCut\n2\tCut\n",
        "level_1/tool_annotations/video01-tool.txt": "Frame\tCut\tSew\n0\t1\t0\n",
        "level_1/tool_annotations/video02-tool.txt": "Frame\tCut\tSew\n0\t0\t0\n",
        "level_2/phase_annotations/video01-phase.txt": "Frame\tPhase\n0\tBlunt_cut\n1\tBlunt_cut\n2\tbackground\n",
        "level_2/phase_annotations/video02-phase.txt": "Frame\tPhase\n0\tbackground\n1\tbackground\n2\tbackground\n",
        "level_2/tool_annotations/video01-tool.txt": "Frame\tBlunt_cut\n0\t1\n",
        "level_2/tool_annotations/video02-tool.txt": "Frame\tBlunt_cut\n0\t0\n",
        "videos.csv": "video,case,clips,frames,rate\nvideo01,op 1,a,3,25\nvideo02,op 2,a,3,25\n",
    },
    "activitynet": {
        "activitynet.json": {
            "version": "lsvid-1", "taxonomy": [], "external_data": {},
            "database": {
                "op_1_a": {
                    "subset": "training", "duration": 0.12, "frame": 3, "fps": 25.0, "resolution": "320x240",
                    "url": "/videos/op 1/a.mp4",
                    "annotations": [
                        {"segment": [0.0, 0.08], "label": "Cut / Blunt cut", "label_id": 1},
                        {"segment": [0.08, 0.12], "label": "Sew", "label_id": 2},
                    ],
                },
                "op_2_a": {
                    "subset": "training", "duration": 0.12, "frame": 3, "fps": 25.0, "resolution": "320x240",
                    "url": "/videos/op 2/a.mp4",
                    "annotations": [{"segment": [0.04, 0.12], "label": "Cut", "label_id": 0}],
                },
            },
        },
        "classes.txt": "Cut\nCut / Blunt cut\nSew\n",
    },
    "mmaction": {
        "activitynet.json": {
            "v_op_1_a": {
                "duration_second": 0.12, "duration_frame": 3, "feature_frame": 3,
                "annotations": [
                    {"segment": [0.0, 0.08], "label": "Cut / Blunt cut"}, {"segment": [0.08, 0.12], "label": "Sew"},
                ],
                "fps": 25.0, "rfps": 25.0,
            },
            "v_op_2_a": {
                "duration_second": 0.12, "duration_frame": 3, "feature_frame": 3,
                "annotations": [{"segment": [0.04, 0.12], "label": "Cut"}], "fps": 25.0, "rfps": 25.0,
            },
        },
        "classes.txt": "Cut\nCut / Blunt cut\nSew\n",
        "rawframes.txt": "op_1_a 0 2 1\nop_1_a 2 1 2\nop_2_a 1 2 0\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDENS)
def test_the_files_are_these(tmp_path: Path, name: str) -> None:
    manifest, _ = export(tmp_path / "out", clips(), name, LABELS)
    assert sorted(file["name"] for file in manifest["files"]) == sorted(GOLDENS[name])
    for file, content in GOLDENS[name].items():
        text = (tmp_path / "out" / file).read_text(encoding="utf-8")
        assert (json.loads(text) if isinstance(content, dict) else text) == content
