"""Runs every command that needs no server, and every format, over fixed inputs, and compares what two checkouts write.

    python scripts/same_outputs.py OTHER_CHECKOUT [--keep DIR]

Prints each file that differs, is missing or is new, each command whose exit code differs, and each that fails here.
Exits with 1 if there is any. A person has to decide which differences are intended, by the changelog. No file is left
out: pictures, clips, proxies and reports hold no time of day, and have the same bytes in each run.
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
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from lsvid.writers import all_formats  # noqa: E402 - of this checkout, as are the inputs

DATA = ROOT / "tests" / "data"
ONE_LABEL = ["--overlap", "priority"]
READ_BACK = ("segments", "elan", "boris", "mstcn", "cholec80", "webvtt", "srt")
"""Formats that lsvid writes and reads. This checkout writes them, and both checkouts read the same files."""
VIA = {
    "project": {"pid": "x", "pname": "p", "vid_list": ["1"]},
    "config": {},
    "attribute": {"1": {"aname": "action", "anchor_id": "FILE1_Z2_XY0", "type": 4, "options": {"0": "Cut"}}},
    "file": {"1": {"fid": 1, "fname": "clip_2.mp4", "type": 4, "loc": 2, "src": "https://example.org/op1/clip_2.mp4"}},
    "metadata": {"1_a": {"vid": "1", "flg": 0, "z": [0.5, 1.25], "xy": [], "av": {"1": "0"}}},
    "view": {"1": {"fid_list": ["1"]}},
}
LOSSLESSCUT = """{
  version: 2, mediaFileName: 'clip_3.mp4',
  cutSegments: [{ start: 0.5, end: 1.5, name: 'Sew / Knot', tags: {}, selected: true, }, { start: 2, name: 'Cut' }],
}
"""
EXTRACTOR = """import numpy as np
def features(pictures):
    return np.asarray(pictures).mean(axis=(1, 2), dtype=np.float64)
"""


def make_inputs(folder: Path) -> None:
    """Clips of every kind of rate; exports of every program and format that is read; label files; an extractor."""
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
    (folder / "export.json").write_text(json.dumps(tasks))
    (folder / "labels.yaml").write_text(
        "- Cut\n- name: Sew\n  children: [Knot, Run]\n"
        + "".join(f"- {name}\n" for name in ("Look", "Wash", "Clip", "Pack", "Rest"))
    )
    spans = [{"start": 0.2, "end": 1.4, "label": "Cut"}, {"start": 1.5, "end": 2.0, "label": "Sew - Knot"}]
    line = {"path": "clips/op1/clip_1.mp4", "audio_spans": spans, "answer": "accept", "_session_id": "ds-anna"}
    (folder / "prodigy.jsonl").write_text(json.dumps(line | {"_input_hash": 1, "_task_hash": 2}) + "\n")
    shutil.copytree(ROOT / "label_configs", folder / "label_configs")
    (folder / "extractor.py").write_text(EXTRACTOR)
    # The exports that tests hold, with clips of their names and lengths.
    shutil.copytree(DATA / "exports", folder / "exports")
    videos.make(folder / "v25" / "v25.mp4", n_frames=500)
    shutil.copytree(DATA / "boris", folder / "boris")
    for name, n_frames in (("clip_1", 250), ("clip_2", 250), ("other view", 500)):
        videos.make(folder / "boris" / "day1" / f"{name}.mp4", n_frames=n_frames)
    shutil.rmtree(folder / "made")
    (folder / "via.json").write_text(json.dumps(VIA))
    (folder / "clip_3.llc").write_text(LOSSLESSCUT)
    _make_probabilities(folder / "net")
    read = ["export.json", "--clips", "clips", "--labels", "labels.yaml", "--annotator", "2"]
    for name in READ_BACK:
        one_label = [] if all_formats()[name].overlaps else ONE_LABEL
        command = ["export-frames", *read, "-o", f"written/{name}", "--format", name, *one_label]
        _lsvid(ROOT, folder, folder / "cache", command).check_returncode()
    _lsvid(ROOT, folder, folder / "cache", ["export-spans", *read, "-o", "spans.jsonl"]).check_returncode()


def _make_probabilities(folder: Path) -> None:
    import numpy as np

    folder.mkdir()
    (folder / "classes.txt").write_text("Cut\nSew\nLook\n")
    values = np.random.default_rng(0).dirichlet([1, 1, 1], size=98)  # 5 a second of 5 clips
    np.save(folder / "op1.npy", values)
    np.savetxt(folder / "op2.csv", values[::-1], delimiter=",")


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


def commands(inputs: Path) -> Iterator[tuple[str, list[str]]]:
    """(output folder, arguments) of every command."""
    yield from _without_clips(inputs)
    read = ["export.json", "--clips", "clips", "--labels", "labels.yaml"]
    one = [*read, "--annotator", "1"]
    yield from _every_format(one)
    for name in ("csv", "parquet"):
        for number, options in enumerate((
            ["--layout", "wide", "--background", "none"], ["--sample-fps", "5"], ["--split-by", "case"],
            ["--merge", "majority"], ["--snap", "0.2", "--join-gap", "0.1"], ["--annotations", "all"],
        )):  # fmt: skip
            yield f"frames-{name}-{number}", ["export-frames", *read, "-o", "OUT", "--format", name, *options]
    yield "folds", ["export-frames", *one, "-o", "OUT", "--format", "mstcn", "--folds", "2", *ONE_LABEL]
    for kind in ("png", "jpg", "webp"):
        told = ["--images", "--sample-fps", "5", "--image-format", kind]
        yield f"images-{kind}", ["export-frames", *one, "-o", "OUT", *told]
    yield "images-all-frames", ["export-frames", *one, "-o", "OUT", "--images", "--all-frames", "--short-side", "64"]
    yield "spans", ["export-spans", *read, "-o", "OUT/spans.jsonl"]
    yield "spans-prodigy", ["export-spans", *read, "--format", "prodigy", "-o", "OUT/annotated.jsonl"]
    for name, words in _inputs(inputs):
        yield f"read-{name}-spans", ["export-spans", *words, "-o", "OUT/spans.jsonl"]
        yield f"read-{name}-frames", ["export-frames", *words, "-o", "OUT"]
    yield "features", ["export-features", *one, "-o", "OUT", "--extractor", "extractor:features", "--fps", "5"]
    yield "report", ["report", *read, "-o", "OUT"]
    yield "contact-sheet", ["contact-sheet", *one, "-o", "OUT/sheet.html"]
    both = ["export.json", "spans.jsonl", *one[1:]]
    yield "evaluate", ["evaluate", *both, "-o", "OUT"]
    more = ["--unlabelled", "background", "--sample-fps", "5", "--relaxed", "0.5", "--strategy", "A"]
    yield "evaluate-scripts", ["evaluate", *both, "-o", "OUT", *more, *ONE_LABEL, "--as", "tmrnet", "--as", "cholec80"]
    yield "evaluate-model", ["evaluate", "export.json", "net", *one[1:], *PROBABILITIES, "-o", "OUT"]
    yield "proxies", ["make-proxies", "clips/op1", "-o", "OUT", "--height", "120", "-q"]
    yield "proxies-training", ["make-proxies", "clips/op1", "-o", "OUT", "--for-training", "--fps", "5", "-q"]


def _without_clips(inputs: Path) -> Iterator[tuple[str, list[str]]]:
    yield "formats", ["formats"]
    yield "formats-json", ["formats", "--json"]
    for labels in ("surgical.txt", "cholec80.txt", "flat.txt", "suturing.yaml"):
        for timeline in ("frames", "waveform", "both"):
            told = ["--timeline", timeline]
            if timeline == "both":
                told += ["--frames", _first_label(inputs / "label_configs" / labels)]
            yield f"config-{labels}-{timeline}", ["config", f"label_configs/{labels}", *told, "-o", "OUT/config.xml"]


def _every_format(one: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Every format, with each of its flavours, and with a split if it has splits; `one`: what is read."""
    for name, known in all_formats().items():
        one_label = [] if known.overlaps else ONE_LABEL
        told = ["export-frames", *one, "-o", "OUT", "--format", name, *one_label]
        for flavour in known.flavours:
            more = {"autolaparo": ["--base", "1"], "transsvnet": ["--split", "train=0.5,test=0.5"]}.get(flavour, [])
            yield f"frames-{name}-{flavour}", [*told, "--flavour", flavour, "--background", "none", *more]
        if not known.flavours:
            yield f"frames-{name}", told
        if "splits" in known.options:
            more = ["--flavour", "selfsupsurg", "--background", "none"] if known.flavours else []
            yield f"frames-{name}-split", [*told, "--split", "train=0.5,test=0.5", *more]


PROBABILITIES = ["--probability-fps", "5"]
MODEL = [*PROBABILITIES, "--status", "prediction"]


def _first_label(labels: Path) -> str:
    from lsvid.labels.files import read_labels

    return read_labels(str(labels)).paths()[0][0]


def _inputs(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """(name, arguments) of every input but Label Studio's export of the clips."""
    yield "prodigy", ["prodigy.jsonl", "--clips", ".", "--labels", "labels.yaml"]
    for export in sorted((DATA / "exports").iterdir()):
        yield f"exports-{export.name}", [f"exports/{export.name}", "--clips", "v25"]
    for name in ("queued.boris", "queued.csv"):
        yield f"boris-{name}", [f"boris/{name}", "--clips", "boris", "--skip-bad"]
    for name in ("via.json", "clip_3.llc"):
        yield name, [name, "--clips", "clips/op1", "--case", "op1", "--point-s", "0.2"]
    yield "net", ["net", "--clips", "clips", *MODEL]
    hysteresis = ["--median", "0.6", "--min-duration", "0.4", "--hysteresis", "0.6,0.3"]
    yield "net-hysteresis", ["net", "--clips", "clips", *MODEL, *hysteresis]
    yield "spans", ["spans.jsonl", "--clips", "clips", "--labels", "labels.yaml"]
    for name in READ_BACK:
        written = folder / "written" / name
        of_kind = {"segments": "segments.csv", "elan": "*.eaf", "boris": "*.boris", "webvtt": "*.vtt", "srt": "*.srt"}
        files = sorted(written.rglob(of_kind[name])) if name in of_kind else [written]
        yield name, [*(file.relative_to(folder).as_posix() for file in files), "--clips", "clips"]


def _lsvid(checkout: Path, inputs: Path, cache: Path, words: list[str]) -> "subprocess.CompletedProcess[bytes]":
    paths = os.pathsep.join([str(checkout / "src"), str(inputs)])  # `inputs` has the extractor
    environment = os.environ | {"PYTHONPATH": paths, "LSVID_CACHE_DIR": str(cache)}
    return subprocess.run(
        [sys.executable, "-m", "lsvid", *words], check=False, cwd=inputs, env=environment, capture_output=True
    )


def run_all(checkout: Path, inputs: Path, outputs: Path) -> dict[str, str]:
    """What each file that the commands write hashes to, and each command's exit code."""
    found = {}
    for name, words in commands(inputs):
        folder = inputs / "out"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        done = _lsvid(checkout, inputs, outputs / "cache", [word.replace("OUT", "out") for word in words])
        if done.stdout:
            (folder / "standard output").write_bytes(done.stdout)
        found[f"{name}: exit code"] = f"{done.returncode}"
        if done.returncode:
            found[f"{name}: error"] = done.stderr.decode(errors="replace").strip()
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
    codes = {name: code for name, code in here.items() if name.endswith(": exit code")}
    failed = [name for name, code in codes.items() if code != "0"]
    for name in failed:
        print(f"{name}: {here[name]}, so nothing of it was compared: {here[name.replace('exit code', 'error')]}")
    n_files = len(here) - len(codes) - len(failed)
    print(f"{len(codes)} commands, {len(failed)} fail; {n_files} files; {len(different)} differences")
    return 1 if different or failed else 0


if __name__ == "__main__":
    sys.exit(main())
