"""`scripts/bench windows`: random windows of 16 pictures, 224 px high, beside torchcodec, decord2 and JPEGs."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PYTHON = sys.executable
OTHERS = os.environ.get("LSVID_BENCH_PYTHON", PYTHON)
"""A Python that has torchcodec, decord2 and OpenCV."""

RATE, FRAMES, HEIGHT = 25, 16, 224

# Each prints [windows, seconds, seconds of processor time, mean of the last window's pictures].
_AROUND = """
import json, random, sys, time
import cv2, numpy as np
cv2.setNumThreads(1)
path, n_windows, seconds, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
{opened}
def resized(picture):
    height, width = picture.shape[:2]
    if height == 224:
        return picture
    how = cv2.INTER_AREA if height > 448 else cv2.INTER_LINEAR
    return cv2.resize(picture, (round(width * 224 / height), 224), interpolation=how)
rng = random.Random(1)
starts = [rng.randrange(seconds - 15) for _ in range(n_windows + 2)]
for number, start in enumerate(starts):
    if number == 2:
        begin, used = time.perf_counter(), time.process_time()
    window = window_at([25 * (start + k) for k in range(16)])
    assert window.shape[0] == 16 and window.shape[1] == 224, window.shape
print(json.dumps([n_windows, time.perf_counter() - begin, time.process_time() - used, float(window.mean())]))
"""

_WAYS = {
    "lsvid": """
from lsvid.training.clips import TrainingClip
from lsvid.training.windows import WindowOptions, Windows
from lsvid.video.index import probe
clip = TrainingClip("op1", "clip_1", path, probe(path), 0, ())
windows = Windows([clip], [("A",)], WindowOptions(16, 1, short_side=224, threads=threads or None))
def window_at(frames):
    window = windows[frames[-1] // 25]
    assert window["frame"].tolist() == frames
    return window["pictures"]
""",
    "torchcodec": """
from torchcodec.decoders import VideoDecoder
video = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=threads or 1, seek_mode="exact")
def window_at(frames):
    return np.stack([resized(picture) for picture in video.get_frames_at(frames).data.numpy()])
""",
    "decord2": """
import decord
video = decord.VideoReader(path, num_threads=threads or 1)
def window_at(frames):
    return np.stack([resized(picture) for picture in video.get_batch(frames).asnumpy()])
""",
    "JPEG folder": """
def window_at(frames):
    pictures = [cv2.imread(f"{path}/{frame:06d}.jpg") for frame in frames]
    return np.stack([resized(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)) for picture in pictures])
""",
}


def windows(length_s: str = "120") -> None:
    """Random windows from originals of 720p, from training copies, and from a folder of JPEGs."""
    seconds = int(length_s)
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
        print(f"windows of {FRAMES} pictures at 1 fps, {HEIGHT} px high, at random; best of 3, in turns")
        print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        _compare("originals, one thread", ["lsvid", "torchcodec", "decord2"], clip, 8, seconds, 1)
        _compare("originals, two threads", ["lsvid", "torchcodec", "decord2"], clip, 8, seconds, 2)
        ways = {"lsvid": copy, "torchcodec": copy, "decord2": copy, "JPEG folder": jpegs}
        _compare("copies, one thread", ways, ways, 100, seconds, 1)


def _compare(
    title: str, ways: "list[str] | dict[str, Path]", paths: "Path | dict[str, Path]", n: int, seconds: int, threads: int
) -> None:
    print(f"\n{title}")
    best: dict[str, list[float]] = {}
    for _ in range(3):
        for way in ways:
            path = paths[way] if isinstance(paths, dict) else paths
            code = _AROUND.format(opened=_WAYS[way])
            command = [PYTHON if way == "lsvid" else OTHERS, "-c", code, path, n, seconds, threads]
            done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
            if done.returncode:
                print(f"  {way:12} does not run, see LSVID_BENCH_PYTHON: {done.stderr.strip().splitlines()[-1]}")
                continue
            count, taken_s, used_s, _ = json.loads(done.stdout.splitlines()[-1])
            known = best.setdefault(way, [0.0, 0.0])
            best[way] = [max(known[0], count / taken_s), max(known[1], count / used_s)]
    for way, (by_clock, by_processor) in best.items():
        print(f"  {way:12} {by_clock:7.2f} windows a second, {by_processor:7.2f} a second of processor time")


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


COMMANDS = {"windows": windows}
