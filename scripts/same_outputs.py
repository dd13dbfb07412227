"""Runs every command that needs no server, and every format, over fixed inputs, and compares what two checkouts write.

    python scripts/same_outputs.py OTHER_CHECKOUT [--keep DIR]

Prints each file that differs, is missing or is new, and each command whose exit code differs. Exits with 1 if there is
any. A person has to decide which differences are intended, by the changelog.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

FORMATS = (
    "csv", "jsonl", "parquet", "segments", "mstcn", "cholec80", "activitynet", "mmaction", "fiftyone", "huggingface",
    "webvtt", "srt", "elan",
)  # fmt: skip
ONE_LABEL = {"mstcn": ["--overlap", "priority"], "cholec80": ["--overlap", "priority"]}


def make_inputs(folder: Path) -> None:
    """Clips of every kind of rate, Label Studio's and Prodigy's exports of them, label files."""
    from factories import NTSC, VFR_GAPS, VideoFactory

    videos = VideoFactory(folder / "made")
    kinds: list[dict[str, Any]] = [
        {},
        {"rate": NTSC, "b_frames": 2},
        {"gaps": VFR_GAPS},
        {"start_s": Fraction(3, 2)},
        {"cut_s": 0.62},
    ]
    tasks: list[dict[str, object]] = []
    for case in ("op1", "op2"):
        for number, kind in enumerate(kinds, start=1):
            videos.make(folder / "clips" / case / f"clip_{number}.mp4", n_frames=90, gop=12, **kind)
            tasks.append(_task(len(tasks) + 1, case, f"clip_{number}"))
    shutil.rmtree(folder / "made")
    (folder / "export.json").write_text(json.dumps(tasks))
    (folder / "labels.yaml").write_text("- Cut\n- name: Sew\n  children: [Knot, Run]\n- Look\n")
    spans = [{"start": 0.2, "end": 1.4, "label": "Cut"}, {"start": 1.5, "end": 2.0, "label": "Sew - Knot"}]
    line = {"path": "clips/op1/clip_1.mp4", "audio_spans": spans, "answer": "accept", "_session_id": "ds-anna"}
    (folder / "prodigy.jsonl").write_text(json.dumps(line | {"_input_hash": 1, "_task_hash": 2}) + "\n")
    shutil.copytree(ROOT / "label_configs", folder / "label_configs")


def _task(number: int, case: str, clip: str) -> dict[str, object]:
    def region(name: str, start: int, end: int, label: str) -> dict[str, object]:
        value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
        return {"id": name, "type": "timelinelabels", "from_name": "task", "to_name": "video", "value": value}

    first = [region("a", 2, 20 + number, "Cut"), region("b", 21 + number, 50, "Sew"), region("c", 45, 60, "Look")]
    second = [region("d", 3, 21 + number, "Cut"), region("e", 23 + number, 50, "Sew")]
    annotations = [
        {"id": 10 * number + who, "completed_by": who, "result": result, "updated_at": f"2026-01-0{who}"}
        for who, result in ((1, first), (2, second))
    ]
    data = {"video": f"/data/local-files/?d=clips/{case}/{clip}.mp4", "fps": "25"}
    return {"id": number, "data": data, "annotations": annotations}


def commands() -> Iterator[tuple[str, list[str]]]:
    """(output folder, arguments) of every command."""
    for labels in ("surgical.txt", "cholec80.txt", "flat.txt", "suturing.yaml"):
        for timeline in ("frames", "waveform"):
            yield (
                f"config-{labels}-{timeline}",
                ["config", f"label_configs/{labels}", "--timeline", timeline, "-o", "OUT/config.xml"],
            )
    read = ["export.json", "--clips", "clips", "--labels", "labels.yaml"]
    one = [*read, "--annotator", "1"]
    for name in FORMATS:
        yield f"frames-{name}", ["export-frames", *one, "-o", "OUT", "--format", name, *ONE_LABEL.get(name, [])]
    for name in ("csv", "parquet"):
        for number, options in enumerate((
            ["--layout", "wide", "--background", "none"], ["--sample-fps", "5"], ["--split-by", "case"],
            ["--merge", "majority"], ["--snap", "0.2", "--join-gap", "0.1"], ["--annotations", "all"],
        )):  # fmt: skip
            yield f"frames-{name}-{number}", ["export-frames", *read, "-o", "OUT", "--format", name, *options]
    yield "folds", ["export-frames", *one, "-o", "OUT", "--format", "mstcn", "--folds", "2", "--overlap", "priority"]
    yield "images", ["export-frames", *one, "-o", "OUT", "--images", "--sample-fps", "5", "--image-format", "png"]
    yield "spans", ["export-spans", *read, "-o", "OUT/spans.jsonl"]
    yield "spans-prodigy", ["export-spans", *read, "--format", "prodigy", "-o", "OUT/annotated.jsonl"]
    yield "prodigy", ["export-frames", "prodigy.jsonl", "--clips", ".", "--labels", "labels.yaml", "-o", "OUT"]
    yield "report", ["report", *read, "-o", "OUT"]
    yield "contact-sheet", ["contact-sheet", *one, "-o", "OUT/sheet.html"]
    yield "proxies", ["make-proxies", "clips/op1", "-o", "OUT", "--height", "120", "-q"]


def run_all(checkout: Path, inputs: Path, outputs: Path) -> dict[str, str]:
    """What each file that the commands write hashes to, and each command's exit code."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "LSVID_CACHE_DIR": str(outputs / "cache")}
    found = {}
    for name, words in commands():
        folder = inputs / "out"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        told = [word.replace("OUT", "out") for word in words]
        done = subprocess.run(
            [sys.executable, "-m", "lsvid", *told], check=False, cwd=inputs, env=environment, capture_output=True
        )
        found[f"{name}: exit code"] = f"{done.returncode}"
        if done.returncode:
            found[f"{name}: error"] = done.stderr.decode(errors="replace").splitlines()[-1]
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            text = file.read_bytes().replace(str(checkout).encode(), b"CHECKOUT")
            found[f"{name}: {file.relative_to(folder)}"] = hashlib.sha256(text).hexdigest()[:16]
        shutil.copytree(folder, outputs / name)
    shutil.rmtree(inputs / "out", ignore_errors=True)
    return found


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the checkout to compare with")
    parser.add_argument("--keep", type=Path, help="where to leave what both wrote")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder, "inputs"), options.keep or Path(folder, "outputs")
        inputs.mkdir()
        make_inputs(inputs)
        here, there = (
            run_all(checkout.resolve(), inputs, outputs / name)
            for checkout, name in ((ROOT, "this"), (options.other, "other"))
        )
    different = [name for name in sorted(here.keys() | there.keys()) if here.get(name) != there.get(name)]
    for name in different:
        print(f"{name}: {there.get(name, 'not there')} -> {here.get(name, 'not there')}")
    print(f"{len(here)} files and exit codes, {len(different)} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
