"""A clip in S3 plays in the editor and is annotated there, by signed addresses and through Label Studio; and the export
labels the pictures that were shown.
"""

import csv
from pathlib import Path

import pytest

from editor import Editor
from editor_project import lsvid
from embedded_label_studio import LabelStudio
from factories import NTSC, VideoFactory
from s3_server import Bucket

pytestmark = pytest.mark.browser

KEY = "case/clip 01 ü#%+&.mp4"


@pytest.mark.parametrize("way", ["--presign", "--no-presign"])
def test_a_clip_in_s3_is_annotated(
    label_studio: LabelStudio, bucket: Bucket, videos: VideoFactory, editor: Editor, tmp_path: Path, way: str
) -> None:
    if way == "--presign":
        bucket.allow(label_studio.url)
    bucket.put(KEY, videos.make(n_frames=75, rate=NTSC, b_frames=2))
    labels = tmp_path / "labels.txt"
    labels.write_text("Dissection\nSuturing\n")
    title = f"Editor S3 {way}"
    lsvid(label_studio, "setup-project", str(labels), "--title", title, "--storage", bucket.uri, way)
    imported = lsvid(label_studio, "import-clips", bucket.uri, "--project", title)

    media: list[tuple[int, str]] = []
    editor.page.on(
        "response", lambda answer: media.append((answer.status, answer.url)) if "clip" in answer.url else None
    )
    proxied: list[int] = []
    editor.page.on("response", lambda answer: proxied.append(answer.status) if "/resolve/" in answer.url else None)
    editor.open_task(imported["project"]["id"], imported["items"][0]["task"])
    editor.press("1")
    editor.drag_frames(3, 12)
    assert [editor.picture_at(number) for number in (1, 3, 12, 40, 75)] == [0, 2, 11, 39, 74]
    editor.submit()
    from_s3 = [status for status, url in media if url.startswith(bucket.server.url)]
    if way == "--presign":
        assert 303 in proxied
        assert set(from_s3) <= {200, 206}
        assert from_s3
    else:
        assert set(proxied) == {206}
        assert not from_s3

    lsvid(label_studio, "export-frames", "--project", title, "-o", str(tmp_path / "frames"))
    with (tmp_path / "frames" / "frames.csv").open(newline="", encoding="utf-8") as file:
        labelled = [int(row["frame"]) for row in csv.DictReader(file) if row["label"] == "Dissection"]
    assert labelled == list(range(2, 12))
