"""Whatever is read: exit 0 to 3, no traceback, nothing that hangs; and with exit 0 every frame of every clip, once.

Real exports are damaged by chance, from seeds, in their structure and in their bytes. To add a reader: a line in
READERS. LSVID_FUZZ=200 tries so many mutations of each (a minute in CI); by default there are a few.
"""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from builders import run
from factories import VideoFactory
from lsvid.cli import OWN_FAULT

DATA = Path(__file__).parent / "data"
N_FRAMES = 500
TIMEOUT_S = 30
MUTATIONS = int(os.environ.get("LSVID_FUZZ", "10"))


# --- Mutators: each takes the bytes of a sound file, and damages them -------------------------------------------------


HUGE = "9" * 400
HOSTILE_JSON = [
    "null", "true", "-1", "0", "1e308", "-1e308", "1e400", HUGE, "9" * 5000, "0.5", "25.0", "NaN", "Infinity",
    '""', '" "', '"\\u0000"', '"../../x"', '"/"', '"' + "x" * 10_000 + '"', '"http://[bad"', '"//[x"', '"\\ud800"',
    '"\\u202e\\u001b[2J"', "[]", "{}", "[[]]", "[" * 2000 + "]" * 2000, '{"a":' * 2000 + "1" + "}" * 2000, '"1.5"',
    '"nan"', '"1/0"', '"' + HUGE + '"', '["a", ["b", ["c"]]]', '"=cmd()"', '"A / B"', "[1, 2]",
    '{"start": 1, "end": 2}',
]  # fmt: skip
HOSTILE_TEXT = [
    "", " ", "-1", "0", "1e400", HUGE, "9" * 5000, "nan", "inf", "1/0", "../../x", "\0", "x" * 10_000, "http://[bad",
    "//[x", "\u202e", "\x1b[2J", "1,5", "00:00:01.5", "99:99:99", '"', "'", "<", "&#0;", "&x;", "\r", "\n", "\t", ";",
    "Ä", "\ud800",
]  # fmt: skip


def in_json(data: bytes, chance: random.Random) -> bytes:
    """One value, key or item of a JSON document, or of a line of JSON, replaced, doubled, moved or taken away."""
    text = data.decode()
    lines = text.splitlines()
    number = 0
    try:
        document = json.loads(text)
        lines = [text]
    except ValueError:
        number = chance.randrange(len(lines))
        document = json.loads(lines[number])
    places = [(holder, key) for holder in _containers(document) for key in _keys(holder)]
    if not places:
        return data
    holder, key = chance.choice(places)
    marker = "\u241f hostile"
    action = chance.randrange(6)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, list):
        holder.append(holder[key])
    elif action == 2 and isinstance(holder, dict):
        holder[chance.choice([*holder, "x"])] = holder[key]
    else:
        holder[key] = marker
    written = json.dumps(document, ensure_ascii=False)
    lines[number] = written.replace(json.dumps(marker, ensure_ascii=False), chance.choice(HOSTILE_JSON))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for below in value.values() if isinstance(value, dict) else value:
            yield from _containers(below)


def _keys(holder: Any) -> Sequence[Any]:
    return list(holder) if isinstance(holder, dict) else range(len(holder))


def in_bytes(data: bytes, chance: random.Random) -> bytes:
    """Bits, bytes, pieces, the end or the encoding of a file changed, whatever it holds."""
    position = chance.randrange(len(data))
    end = position + chance.randrange(1, 200)
    changes: list[Callable[[], bytes]] = [
        lambda: data[:position],
        lambda: data[:position] + bytes([data[position] ^ 1 << chance.randrange(8)]) + data[position + 1 :],
        lambda: data[:position] + b"\xff\xfe\xed\xa0\x80" + data[position:],
        lambda: data[:position] + b"\0" + data[position:],
        lambda: data[:position] + data[end:],
        lambda: data[:end] + data[position:],
        lambda: data.replace(b"\n", b"\r"),
        lambda: data.replace(b"\n", b"\r\n"),
        lambda: b"\xef\xbb\xbf" + data,
        lambda: data.decode(errors="replace").encode("utf-16"),
        lambda: data.decode(errors="replace").encode("utf-16-le"),
        lambda: data.decode(errors="replace").encode("cp1252", "replace").replace(b"S", b"\xd6"),
        lambda: b"\0" * len(data),
        lambda: b"",
    ]
    return chance.choice(changes)()


def in_cells(data: bytes, chance: random.Random) -> bytes:
    """A cell, a column or a row of a table changed; or the sign between cells."""
    lines = data.decode().splitlines()
    number = chance.randrange(len(lines))
    cells = re.split(r"([,\t ])", lines[number])
    action = chance.randrange(5)
    if action == 0:
        del lines[number]
    elif action == 1:
        lines.append(lines[number])
    elif action == 2:
        lines[number] = lines[number].replace(",", ";").replace("\t", ",")
    else:
        cells[chance.randrange(0, len(cells), 2)] = chance.choice(HOSTILE_TEXT)
        lines[number] = "".join(cells)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def in_xml(data: bytes, chance: random.Random) -> bytes:
    """An attribute, a text or an element of XML changed."""
    text = data.decode()
    pattern = chance.choice([r'"[^"]*"', r">[^<>]+<", r"<[A-Z_]+ ", r"<[^>]*/>", r"</[A-Z_]+>"])
    found = list(re.finditer(pattern, text))
    if not found:
        return data
    match = chance.choice(found)
    hostile = chance.choice([*HOSTILE_TEXT, chance.choice(found)[0].strip('"<>')])
    value = match[0][0] + hostile + match[0][-1] if len(match[0]) > 1 else hostile
    return (text[: match.start()] + value + text[match.end() :]).encode("utf-8", "surrogatepass")


ENDLESS = (
    "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id FROM n) "
    "SELECT id, id AS content, id AS name, 0 AS session, id AS example_id, id AS dataset_id FROM n"
)


def in_database(data: bytes, chance: random.Random) -> bytes:
    """A cell of a SQLite database of another type; or its tables others than they are."""
    folder = Path(os.environ["LSVID_CACHE_DIR"])
    file = folder / "fuzzed.db"
    file.write_bytes(data)
    table = chance.choice(["example", "dataset", "link"])
    with closing(sqlite3.connect(file)) as database:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        column = chance.choice(columns)
        value = chance.choice([5, 1.5, None, b"\xff\xfe", "x", '{"a": 1}', "[" * 2000, -(2**63), b"", "\ud7ff"])
        action = chance.randrange(8)
        if action == 0:
            database.execute(f"DROP TABLE {table}")
        elif action == 1:
            database.executescript(f"DROP TABLE {table}; CREATE VIEW {table} AS {ENDLESS}")
        elif action == 2:
            database.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
        elif action == 3:
            content = in_json(database.execute("SELECT content FROM example").fetchone()[0].encode(), chance)
            database.execute("UPDATE example SET content = ?", [content.decode("utf-8", "replace")])
        else:
            with contextlib.suppress(sqlite3.IntegrityError):
                database.execute(f"UPDATE {table} SET {column} = ?", [value])  # noqa: S608 - of this test
        database.commit()
    return file.read_bytes()


# --- What is read, how, and by which mutators it is damaged -----------------------------------------------------------


@dataclass
class Work:
    """The folder of a test: sound inputs in `seeds`, the clip in `clips`."""

    folder: Path

    @property
    def seeds(self) -> Path:
        return self.folder / "seeds"

    @property
    def clips(self) -> Path:
        return self.folder / "clips"

    def written(self, file_format: str, name: str) -> Path:
        """What lsvid itself writes in a format, from a real export."""
        out = self.folder / f"out-{file_format}"
        if not out.exists():
            labelled = DATA / "exports/label-studio-frames.json"
            result = run("export-frames", labelled, "--clips", self.clips, "--format", file_format, "-o", out)
            assert result.exit_code == 0, result.output
        return out / name


def data_file(name: str) -> Callable[[Work], Path]:
    return lambda _: DATA / name


def written(file_format: str, name: str) -> Callable[[Work], Path]:
    return lambda work: work.written(file_format, name)


def spans_file(work: Work) -> Path:
    path = work.folder / "spans.jsonl"
    if not path.exists():
        arguments = ("export-spans", DATA / "exports/label-studio-frames.json", "--clips", work.clips, "--all")
        assert run(*arguments, "-o", path).exit_code == 0
    return path


def prodigy_database(work: Work) -> Path:
    path = work.folder / "prodigy.db"
    if not path.exists():
        with closing(sqlite3.connect(path)) as database:
            database.executescript(
                "CREATE TABLE dataset (id INTEGER PRIMARY KEY, name TEXT, session INTEGER);"
                "CREATE TABLE example (id INTEGER PRIMARY KEY, content BLOB);"
                "CREATE TABLE link (id INTEGER PRIMARY KEY, example_id INTEGER, dataset_id INTEGER);"
                "INSERT INTO dataset VALUES (1, 'ds', 0);"
            )
            for number, line in enumerate((DATA / "exports/prodigy.jsonl").read_text().splitlines(), start=1):
                database.execute("INSERT INTO example VALUES (?, ?)", (number, line))
                database.execute("INSERT INTO link VALUES (?, ?, 1)", (number, number))
            database.commit()
    return path


def desktop_file(name: str) -> Callable[[Work], Path]:
    texts = {
        "events.csv": "Observation id,Observation type,Source,Time offset (s),Media duration (s),Observer,Subject,"
        "Behavior,Behavioral category,Modifier #1,Behavior type,Start (s),Stop (s)\n"
        "one,Media file,player #1:CLIP,0,20.0,ann,No focal subject,Walk,still,fast,STATE,1.5,3.0\n"
        "one,Media file,player #1:CLIP,0,20.0,ann,Ann,Call,,None,POINT,2.0,2.0\n",
        "v25-proj.llc": "{version: 2, mediaFileName: 'v25.mp4', cutSegments: [{start: 1.5, end: 2.5, name: 'A'}]}\n",
        "v25.mp4.csv": "Start,End,Name\n1.5,2.5,A\n00:00:04.000,,B\n",
        "via.json": '{"project": {}, "attribute": {"1": {"aname": "a", "type": 4, "options": {"0": "Cut"}}}, '
        '"file": {"1": {"fname": "v25.mp4", "src": "CLIP", "loc": 3}}, '
        '"metadata": {"1_x": {"vid": "1", "z": [1.5, 2.5], "xy": [], '
        '"av": {"1": "0"}}}, "view": {"1": {"fid_list": ["1"]}}}',
    }

    def make(work: Work) -> Path:
        path = work.folder / name
        path.write_text(texts[name].replace("CLIP", str(work.clips / "v25.mp4")))
        return path

    return make


def label_file(suffix: str) -> Callable[[Work], Path]:
    texts = {
        ".csv": "level_1,level_2,id\nDissection,,d\n,Blunt,\nSuturing,Knot,\n",
        ".md": "# Labels\n- Dissection\n  - Blunt\n- Suturing\n",
        ".txt": "Dissection\n--Blunt\n--Sharp\nSuturing\n----Knot\n",
        ".yaml": "labels:\n- name: Dissection\n  id: d\n  children:\n  - Blunt\n  - name: Sharp\n- Suturing\n",
        ".json": '{"labels": [{"name": "Dissection", "id": "d", "children": ["Blunt", {"name": "Sharp"}]}, "Knot"]}',
    }

    def make(work: Work) -> Path:
        path = work.folder / f"labels{suffix}"
        path.write_text(texts[suffix])
        return path

    return make


def manifest(suffix: str) -> Callable[[Work], Path]:
    texts = {
        ".csv": "path,case,clip,order\nclips/v25.mp4,op1,first,1\n",
        ".jsonl": '{"path": "clips/v25.mp4", "case": "op1", "clip": "first", "order": 1}\n',
    }

    def make(work: Work) -> Path:
        path = work.folder / f"manifest{suffix}"
        path.write_text(texts[suffix])
        return path

    return make


def probabilities_file(name: str) -> Callable[[Work], Path]:
    rows = np.linspace(0, 1, 20)[:, None] * [1, -1] + [0, 1]

    def make(work: Work) -> Path:
        path = work.folder / "net" / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, rows)
        elif path.suffix == ".npz":
            np.savez(path, probabilities=rows, fps=1)
        else:
            np.savetxt(path, rows, fmt="%.3f", delimiter=",")
        return path

    return make


def export_frames(*options: str) -> Callable[[Path, Work, Path], Result]:
    def read(file: Path, work: Work, out: Path) -> Result:
        arguments = ("--clips", work.clips, "--format", "jsonl", "--include-unannotated", "-o", out, *options)
        return run("export-frames", file, *arguments)

    return read


def probabilities(file: Path, work: Work, out: Path) -> Result:
    (file.parent / "classes.txt").write_text("Cut\nTie\n")
    options = ("--probability-fps", "1", "--status", "prediction", "--min-duration", "2")
    return export_frames(*options)(file, work, out)


def config(file: Path, work: Work, out: Path) -> Result:
    return run("config", file)


def make_proxies(file: Path, work: Work, out: Path) -> Result:
    return run("make-proxies", file, "-o", out, "--dry-run")


Mutator = Callable[[bytes, random.Random], bytes]
READ = export_frames()
FPS = export_frames("--ls-fps", "25")
SKIPPING = export_frames("--skip-bad", "--ls-fps", "25", "--cut-overrun")

POINTS = export_frames("--point-s", "0.5")

READERS: dict[str, tuple[Callable[[Work], Path], Callable[[Path, Work, Path], Result], Sequence[Mutator]]] = {
    # name: (the sound file, how it is read, what damages it)
    "Label Studio, frames": (data_file("exports/label-studio-frames.json"), FPS, [in_json, in_json, in_bytes]),
    "Label Studio, waveform": (data_file("exports/label-studio-waveform.json"), READ, [in_json, in_bytes]),
    "Label Studio, skipping": (data_file("exports/label-studio-frames.json"), SKIPPING, [in_json]),
    "Prodigy": (data_file("exports/prodigy.jsonl"), READ, [in_json, in_json, in_bytes]),
    "Prodigy, second pass": (data_file("prodigy/second_pass.jsonl"), SKIPPING, [in_json, in_bytes]),
    "Prodigy database": (prodigy_database, export_frames("--dataset", "ds"), [in_database, in_database, in_bytes]),
    "lsvid spans": (spans_file, READ, [in_json, in_json, in_bytes]),
    "lsvid spans, skipping": (spans_file, SKIPPING, [in_json]),
    "segments": (written("segments", "segments.csv"), READ, [in_cells, in_cells, in_bytes]),
    "ELAN": (written("elan", "*.eaf"), READ, [in_xml, in_xml, in_bytes]),
    "MS-TCN": (written("mstcn", "level_1/groundTruth/*.txt"), READ, [in_cells, in_bytes]),
    "Cholec80": (written("cholec80", "level_1/phase_annotations/*.txt"), READ, [in_cells, in_cells, in_bytes]),
    "WebVTT": (written("webvtt", "*/*.vtt"), READ, [in_cells, in_cells, in_bytes]),
    "SubRip": (written("srt", "*/*.srt"), READ, [in_cells, in_cells, in_bytes]),
    "probabilities, CSV": (probabilities_file("clips.csv"), probabilities, [in_cells, in_cells, in_bytes]),
    "probabilities, NPY": (probabilities_file("clips.npy"), probabilities, [in_bytes]),
    "probabilities, NPZ": (probabilities_file("clips.npz"), probabilities, [in_bytes]),
    "BORIS": (written("boris", "annotations.boris"), READ, [in_json, in_json, in_bytes]),
    "BORIS, skipping": (written("boris", "annotations.boris"), SKIPPING, [in_json]),
    "BORIS, events": (desktop_file("events.csv"), POINTS, [in_cells, in_cells, in_bytes]),
    "LosslessCut": (desktop_file("v25-proj.llc"), READ, [in_cells, in_bytes]),
    "LosslessCut, table": (desktop_file("v25.mp4.csv"), POINTS, [in_cells, in_bytes]),
    "VIA 3": (desktop_file("via.json"), READ, [in_json, in_json, in_bytes]),
    "labels, Markdown": (label_file(".md"), config, [in_cells, in_bytes]),
    "labels, CSV": (label_file(".csv"), config, [in_cells, in_cells, in_bytes]),
    "labels, text": (label_file(".txt"), config, [in_cells, in_bytes]),
    "labels, YAML": (label_file(".yaml"), config, [in_cells, in_bytes]),
    "labels, JSON": (label_file(".json"), config, [in_json, in_bytes]),
    "manifest, CSV": (manifest(".csv"), make_proxies, [in_cells, in_bytes]),
    "manifest, JSONL": (manifest(".jsonl"), make_proxies, [in_json, in_bytes]),
}


# --- The test ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, videos: VideoFactory) -> Work:
    folder = tmp_path_factory.mktemp("fuzz")
    videos.make(folder / "clips/v25.mp4", n_frames=N_FRAMES, rate=Fraction(25))
    return Work(folder)


@pytest.mark.parametrize("name", READERS)
def test_whatever_is_read(name: str, work: Work, tmp_path: Path) -> None:
    make, read, mutators = READERS[name]
    seed = make(work)
    if "*" in seed.name:
        above = seed.parents[1] if seed.parent.name == "*" else seed.parent
        (seed,) = above.glob(str(seed.relative_to(above)))
    sound = seed.read_bytes()
    for number in range(MUTATIONS):
        for mutate in mutators:
            chance = random.Random(f"{name} {mutate.__name__} {number}")
            folder = tmp_path / "in"
            shutil.rmtree(folder, ignore_errors=True)
            file = folder / seed.name
            if seed.parent.name == "groundTruth":
                file = folder / "groundTruth" / seed.name
            file.parent.mkdir(parents=True)
            damaged = sound
            for _ in range(chance.choice((1, 1, 2, 3))):
                damaged = _again(mutate, damaged, chance)
            file.write_bytes(damaged)
            out = tmp_path / "out"
            shutil.rmtree(out, ignore_errors=True)
            with at_most(TIMEOUT_S):
                result = read(file, work, out)
            context = f"{name}: {mutate.__name__} {number}: {damaged[:2000]!r}\n{result.output[-2000:]}"
            assert result.exception is None or isinstance(result.exception, SystemExit), context
            assert result.exit_code in (0, 1, 2, 3), context
            assert OWN_FAULT not in result.output, context
            assert "Traceback" not in result.output, context
            assert result.exit_code == 0 or "error: " in result.stderr, context
            if result.exit_code == 0 and (out / "frames.jsonl").exists():
                assert_whole(out, context)
            assert not (tmp_path / "x").exists(), context


def _again(mutate: Mutator, data: bytes, chance: random.Random) -> bytes:
    """`data` damaged once more, where that can be done to what has been damaged already."""
    try:
        return mutate(data, chance)
    except (ValueError, IndexError, RecursionError, sqlite3.Error, TypeError, AttributeError):
        return data


def assert_whole(out: Path, context: str) -> None:
    """Every frame of every clip, for each annotator, and none twice but for labels that overlap."""
    frames: dict[tuple[str, ...], set[int]] = {}
    rows = set()
    for line in (out / "frames.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        frames.setdefault((row["case"], row["clip"], row["annotator"]), set()).add(row["frame"])
        identity = tuple(str(row[column]) for column in ("case", "clip", "annotator", "frame", "region", "label"))
        assert identity not in rows, context
        rows.add(identity)
    assert frames, context
    for there in frames.values():
        assert there == set(range(N_FRAMES)), context


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def too_long(*_: object) -> None:
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
