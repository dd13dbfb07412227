"""`scripts/bench images` and `scripts/bench proxies`: whole commands, side by side, doing the same work in one run."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PYTHON = sys.executable
OTHERS = os.environ.get("LSVID_BENCH_PYTHON", PYTHON)
"""A Python with the packages that are compared with lsvid: decord2, torchcodec, and OpenCV."""

RATE, GOP = 25, 250
Spans = list[tuple[int, int]]

SEED = """if True:
    import sys, cv2
    from pathlib import Path
    clip, folder, step = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    spans = eval(sys.argv[4])
    folder.mkdir(parents=True)
    video = cv2.VideoCapture(clip)
    frame = 0
    while True:
        there, picture = video.read()
        if not there:
            break
        for begin, end in spans:
            if begin <= frame < end and frame % step == 0:
                cv2.imwrite(str(folder / f"{frame:06d}.jpg"), picture)
        frame += 1
"""

DECORD = """if True:
    import sys, cv2, decord
    from pathlib import Path
    clip, folder, step = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True)
    wanted = [f for b, e in eval(sys.argv[4]) for f in range(b, e) if f % step == 0]
    video = decord.VideoReader(clip)
    for frame in wanted:
        picture = cv2.cvtColor(video[frame].asnumpy(), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / f"{frame:06d}.jpg"), picture)
"""

TORCHCODEC = """if True:
    import sys, cv2
    from pathlib import Path
    from torchcodec.decoders import VideoDecoder
    clip, folder, step = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True)
    wanted = [f for b, e in eval(sys.argv[4]) for f in range(b, e) if f % step == 0]
    video = VideoDecoder(clip, dimension_order="NHWC", num_ffmpeg_threads=0)
    for start in range(0, len(wanted), 64):
        some = wanted[start : start + 64]
        for frame, picture in zip(some, video.get_frames_at(some).data.numpy()):
            cv2.imwrite(str(folder / f"{frame:06d}.jpg"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
"""

BARE = """if True:
    import sys, av
    with av.open(sys.argv[1]) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            pass
"""


def images(length_s: str = "300") -> None:
    """Pictures of frames as JPEG: of the labelled ones, one a second of them, and of all."""
    seconds = int(length_s)
    spans = [(begin, begin + 9 * RATE) for begin in range(0, seconds * RATE, 30 * RATE)]
    with tempfile.TemporaryDirectory() as folder:
        work, out = Path(folder), Path(folder) / "out"
        os.environ["LSVID_CACHE_DIR"] = str(work / "cache")
        clip = work / "clips" / "op1" / "clip_1.mp4"
        _make_clip(clip, "1280x720", ["-crf", "23", "-g", str(GOP)], seconds)
        print(f"a clip of {seconds} s, 1280x720, {RATE} fps, a key picture every {GOP}; spans over 30 %; "
              f"{os.cpu_count()} cores; whole commands, shortest of 3")  # fmt: skip
        _run(
            [PYTHON, "-c", "import lsvid.video.index, sys; lsvid.video.index.probe(sys.argv[1])", str(clip)]
        )  # as after an import
        # Beside the rest: decoding alone, with as many threads as there are cores.
        bare_s = _best({"": [PYTHON, "-c", BARE, str(clip)]}, out, 3)[""]
        for name, step, some in (
            ("one labelled frame a second", RATE, spans),
            ("every labelled frame", 1, spans),
            ("every frame of the clip", 1, [(0, seconds * RATE)]),
        ):
            export = _export(work, [1], some)
            ways = {
                "seed's script (cv2)": _script(PYTHON, SEED, clip, out, step, some),
                "ffmpeg, select": _ffmpeg_select(clip, out, step, some),
                "ffmpeg, -ss for each span": _ffmpeg_seek(clip, out, step, some),
                "decord2": _script(OTHERS, DECORD, clip, out, step, some),
                "torchcodec": _script(OTHERS, TORCHCODEC, clip, out, step, some),
                "lsvid export-frames --images": _lsvid(export, clip.parent.parent, out, step),
            }
            for way, module in (("decord2", "decord"), ("torchcodec", "torchcodec")):
                if subprocess.run([OTHERS, "-c", f"import {module}"], capture_output=True, check=False).returncode:
                    print(f"({way} is not installed, see LSVID_BENCH_PYTHON)")
                    del ways[way]
            count = sum(1 for begin, end in some for frame in range(begin, end) if frame % step == 0)
            times = _best(ways, out, 3, count)
            seed_s = times["seed's script (cv2)"]
            print(f"\n{name}: {count:,} pictures")
            for way, taken_s in {**times, "limit: decode the whole clip": bare_s}.items():
                print(f"  {way:32} {taken_s:7.2f} s  {seed_s / taken_s:5.2f} times the seed's script")
        _four_clips(clip, seconds, work, out)


def _four_clips(clip: Path, length_s: int, work: Path, out: Path) -> None:
    """The gain of a second core, on clips of ten minutes as cameras write them."""
    folder, repeats = work / "four" / "op1", -(-600 // length_s)
    folder.mkdir(parents=True)
    listed = work / "list.txt"
    listed.write_text(f"file '{clip}'\n" * repeats)
    for number in (1, 2, 3, 4):
        path = folder / f"clip_{number}.mp4"
        _run([ffmpeg(), "-v", "error", "-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", str(path)])
    spans = [(begin, begin + 9 * RATE) for begin in range(0, repeats * length_s * RATE, 30 * RATE)]
    command = _lsvid(_export(work, [1, 2, 3, 4], spans), folder.parent, out, 1)
    _run(
        [
            PYTHON,
            "-c",
            "import lsvid.video.index, sys; lsvid.video.index.probe_all(sys.argv[1:])",
            *map(str, folder.iterdir()),
        ]
    )
    ways = {"one": ["taskset", "-c", "0", *command, "--jobs", "1"], "two": command}
    taken = _best(ways, out, 2, 4 * sum(end - begin for begin, end in spans))
    print(f"\nfour clips of {repeats * length_s} s, every labelled frame: one core {taken['one']:.2f} s, "
          f"two cores {taken['two']:.2f} s, {taken['one'] / taken['two']:.2f} times (wanted: 1.8)")  # fmt: skip


def proxies() -> None:
    """A proxy of a big clip, compared with ffmpeg alone: the cost of checking, and memory."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["LSVID_CACHE_DIR"] = str(work / "cache")
        clip = work / "clips" / "op1" / "clip_1.mp4"
        _make_clip(clip, "1920x1080", ["-b:v", "60M", "-minrate", "60M", "-bufsize", "60M", "-g", "60"], seconds=60)
        size = clip.stat().st_size
        plain = [ffmpeg(), "-y", "-v", "error", "-nostdin", "-i", str(clip), "-vf", "scale=-2:720", "-c:v", "libx264",
                 "-preset", "veryfast", "-crf", "26", "-g", "25", "-an", str(work / "plain.mp4")]  # fmt: skip
        lsvid = [PYTHON, "-m", "lsvid", "make-proxies", str(clip.parent), "-o", str(work / "out"), "-q"]
        times = _best({"plain": plain, "lsvid": lsvid}, work / "out", 2)
        print(f"a clip of 60 s, 1920x1080, {size / 1e6:.0f} MB; whole commands, shortest of 2")
        for way, seconds in times.items():
            print(f"  {way:6} {seconds:6.1f} s  {60 / seconds:4.1f} times as fast as it plays"
                  f"  {times['plain'] / seconds:4.2f} times ffmpeg by itself")  # fmt: skip
        shutil.rmtree(work / "out")
        long = work / "long" / "op1" / "clip_1.mp4"
        long.parent.mkdir(parents=True)
        listed = work / "list.txt"
        listed.write_text(f"file '{clip}'\n" * max(1, round(1e9 / size)))
        _run([ffmpeg(), "-v", "error", "-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", str(long)])
        code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)")  # fmt: skip
        for source in (clip, long):
            command = [PYTHON, "-m", "lsvid", "make-proxies", str(source.parent), "-o", str(work / "out"), "-q"]
            shown = subprocess.run([PYTHON, "-c", code, *command], check=True, capture_output=True, text=True).stdout
            print(f"  {source.stat().st_size / 1e6:6.0f} MB: largest process {shown.strip()} MB")
            shutil.rmtree(work / "out")


def _make_clip(path: Path, size: str, options: list[str], seconds: int) -> None:
    path.parent.mkdir(parents=True)
    source = f"testsrc2=size={size}:rate={RATE}:duration={seconds}"
    _run([ffmpeg(), "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "veryfast",
          "-pix_fmt", "yuv420p", *options, str(path)])  # fmt: skip


def _script(python: str, code: str, clip: Path, out: Path, step: int, spans: Spans) -> list[str]:
    return [python, "-c", code, str(clip), str(out / "images"), str(step), repr(spans)]


def _ffmpeg_select(clip: Path, out: Path, step: int, spans: Spans) -> list[str]:
    inside = "+".join(f"between(n,{begin},{end - 1})" for begin, end in spans)
    select = f"select='({inside})*not(mod(n,{step}))'"
    return _shell(out, [["-i", str(clip), "-vf", select, *_JPEGS, f"{out}/%06d.jpg"]])


def _ffmpeg_seek(clip: Path, out: Path, step: int, spans: Spans) -> list[str]:
    return _shell(
        out,
        [
            ["-ss", f"{begin / RATE}", "-i", str(clip), "-vf", f"select='not(mod(n,{step}))'", *_JPEGS,
             "-frames:v", f"{len(range(begin, end, step))}", f"{out}/{number:03}-%06d.jpg"]
            for number, (begin, end) in enumerate(spans)
        ],
    )  # fmt: skip


_JPEGS = ["-fps_mode", "passthrough", "-q:v", "2"]


def _shell(out: Path, calls: list[list[str]]) -> list[str]:
    """A shell that makes the folder `out`, and runs ffmpeg with each of `calls`."""
    begin = [ffmpeg(), "-v", "error", "-nostdin"]
    return ["sh", "-c", " && ".join([f"mkdir -p {out}", *(shlex.join([*begin, *call]) for call in calls)])]


def _export(work: Path, numbers: list[int], spans: Spans) -> Path:
    tasks = []
    for number in numbers:
        result = [
            {"id": f"r{k}", "type": "timelinelabels", "from_name": "task", "to_name": "video",
             "value": {"ranges": [{"start": begin + 1, "end": end}], "timelinelabels": ["A"]}}
            for k, (begin, end) in enumerate(spans)
        ]  # fmt: skip
        data = {"video": f"clips/op1/clip_{number}.mp4", "fps": str(RATE)}
        tasks.append({"id": number, "data": data, "annotations": [{"id": 1, "completed_by": 1, "result": result}]})
    path = work / f"export-{len(numbers)}.json"
    path.write_text(json.dumps(tasks))
    return path


def _lsvid(export: Path, clips: Path, out: Path, step: int) -> list[str]:
    sampled = ["--sample-fps", "1"] if step > 1 else []
    command = [PYTHON, "-m", "lsvid", "export-frames", str(export), "--clips", str(clips), "-o", str(out), "--images"]
    return [*command, "-q", *sampled]


def _best(ways: dict[str, list[str]], out: Path, times: int, count: int | None = None) -> dict[str, float]:
    """The shortest time of each command in seconds. They run in turns, each time into an empty folder.

    count: how many pictures each has to make.
    """
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(times):
        for way, command in ways.items():
            shutil.rmtree(out, ignore_errors=True)
            begin = time.perf_counter()
            _run(command)
            best[way] = min(best[way], time.perf_counter() - begin)
            made = sum(1 for _ in out.rglob("*.jpg"))
            if count is not None and made != count:
                sys.exit(f"{way} made {made} pictures instead of {count}")
    return best


def ffmpeg() -> str:
    """The ffmpeg that lsvid uses."""
    from lsvid.video.proxies import find_ffmpeg

    return find_ffmpeg().path


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


COMMANDS: dict[str, Callable[..., None]] = {"images": images, "proxies": proxies}
