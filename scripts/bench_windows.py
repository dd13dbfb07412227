"""`scripts/bench windows`: random windows of 16 pictures, 224 px high, beside torchcodec, decord2 and JPEGs.

All ways run in turns, a few windows at a time, so that what else the machine does falls on all of them alike.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

PYTHON = sys.executable
OTHERS = os.environ.get("LSVID_BENCH_PYTHON", PYTHON)
"""A Python that has torchcodec, decord2 and OpenCV."""

RATE, FRAMES, HEIGHT = 25, 16, 224
ROUND_S = 0.7
"""How long a way runs in its turn."""

# For each line, a number of seconds, it makes windows for as long; and prints how many, the time and processor time.
_AROUND = """
import json, random, sys, time
import cv2, numpy as np
cv2.setNumThreads(1)
path, seconds, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
{opened}
def resized(picture):
    height, width = picture.shape[:2]
    if height == 224:
        return picture
    how = cv2.INTER_AREA if height > 448 else cv2.INTER_LINEAR
    return cv2.resize(picture, (round(width * 224 / height), 224), interpolation=how)
rng = random.Random(1)
def once():
    start = rng.randrange(seconds - 15)
    window = window_at([25 * (start + k) for k in range(16)])
    assert window.shape[0] == 16 and window.shape[1] == 224, window.shape
once()
print("[]", flush=True)
for line in sys.stdin:
    begin, used, count = time.perf_counter(), time.process_time(), 0
    while not count or time.perf_counter() - begin < float(line):
        once()
        count += 1
    print(json.dumps([count, time.perf_counter() - begin, time.process_time() - used]), flush=True)
"""

_WAYS = {
    "lsvid": """
from lsvid.training.clips import TrainingClip
from lsvid.training.windows import WindowOptions, Windows
from lsvid.video.index import probe
clip = TrainingClip("op1", "clip_1", path, probe(path), 0, ())
windows = Windows([clip], [("A",)], WindowOptions(16, 1, short_side=224, threads=threads))
def window_at(frames):
    window = windows[frames[-1] // 25]
    assert window["frame"].tolist() == frames
    return window["pictures"]
""",
    "torchcodec": """
from torchcodec.decoders import VideoDecoder
video = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=threads, seek_mode="exact")
def window_at(frames):
    return np.stack([resized(picture) for picture in video.get_frames_at(frames).data.numpy()])
""",
    "decord2": """
import decord
video = decord.VideoReader(path, num_threads=threads)
def window_at(frames):
    return np.stack([resized(picture) for picture in video.get_batch(frames).asnumpy()])
""",
    "JPEG folder": """
def window_at(frames):
    pictures = [cv2.imread(f"{path}/{frame:06d}.jpg") for frame in frames]
    return np.stack([resized(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)) for picture in pictures])
""",
}


def windows(length_s: str = "120", rounds: str = "5") -> None:
    """Random windows from originals of 720p, from training copies, and from a folder of JPEGs."""
    seconds = int(length_s)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["LSVID_CACHE_DIR"] = str(work / "cache")
        clip = work / "clips" / "op1" / "clip_1.mp4"
        clip.parent.mkdir(parents=True)
        _run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate={RATE}:duration={seconds}",
             "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "250", clip)  # fmt: skip
        _run(PYTHON, "-m", "lsvid", "make-proxies", clip.parent.parent, "-o", work / "copies", "--for-training", "-q")
        copy = work / "copies" / "op1" / "clip_1.mp4"
        jpegs = work / "jpegs"
        jpegs.mkdir()
        _run("ffmpeg", "-v", "error", "-i", copy, "-start_number", "0", "-q:v", "3", jpegs / "%06d.jpg")
        size = sum(file.stat().st_size for file in jpegs.iterdir())
        sampled = sum((jpegs / f"{frame:06d}.jpg").stat().st_size for frame in range(0, seconds * RATE, RATE))
        sizes = [file.stat().st_size / 1e6 for file in (clip, copy)]
        print(f"a clip of {seconds} s, 1280x720, {RATE} fps, a key picture every 250: {sizes[0]:.1f} MB")
        print(f"copy {sizes[1]:.1f} MB; JPEGs of 256 px {size / 1e6:.1f} MB, of 1 fps {sampled / 1e6:.1f} MB")
        print(
            f"windows a second, of {FRAMES} pictures at 1 fps, {HEIGHT} px high, at random; the best of {rounds} turns"
        )
        print(
            f"\n{'':24}{'one thread':>20}{'two threads':>20}\n{'':24}{'clock  processor':>20}{'clock  processor':>20}"
        )
        for title, path in (("originals", clip), ("copies", copy)):
            ways = {way: path for way in _WAYS if way != "JPEG folder"}
            if path == copy:
                ways["JPEG folder"] = jpegs
            found = [_compare(ways, seconds, threads, int(rounds)) for threads in (1, 2)]
            for way in ways:
                cells = "".join(f"{one[way][0]:9.2f} {one[way][1]:10.2f}" for one in found if way in one)
                print(f"{title:10} {way:12} {cells or ' does not run, see LSVID_BENCH_PYTHON'}", flush=True)
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"\nload {load:.1f} on {cores} cores at the end; all of it took {time.perf_counter() - begin:.0f} s")


def _compare(paths: dict[str, Path], seconds: int, threads: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Of each way that runs the windows a second, by the clock and by processor time: the best of its turns."""
    best: dict[str, tuple[float, float]] = {}
    with ExitStack() as open_now:
        running = {}
        for way, path in paths.items():
            python = PYTHON if way == "lsvid" else OTHERS
            command = [python, "-c", _AROUND.format(opened=_WAYS[way]), str(path), str(seconds), str(threads)]
            process = open_now.enter_context(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            )
            if _answer(process) is not None:
                running[way] = process
        for _ in range(rounds):
            for way, process in running.items():
                print(ROUND_S, file=process.stdin, flush=True)
                if answer := _answer(process):
                    count, taken_s, used_s = answer
                    clock, processor = best.get(way, (0.0, 0.0))
                    best[way] = max(clock, count / taken_s), max(processor, count / used_s)
    return best


def _answer(process: "subprocess.Popen[str]") -> list[float] | None:
    """What a way says next; None where it has ended."""
    line = process.stdout.readline() if process.stdout else ""
    return [float(number) for number in json.loads(line)] if line else None


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


COMMANDS = {"windows": windows}
