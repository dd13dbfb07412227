"""A clip in S3 plays in the editor and is annotated there, by signed addresses and through Label Studio; and the export
labels the pictures that were shown. Where the bucket denies it, the editor shows nothing, and `lsvid check` says why.
"""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from editor import Editor
from editor_project import lsvid
from factories import NTSC, VideoFactory
from label_studio_server import LabelStudio
from lsvid.cli import cli
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


def test_a_bucket_that_denies_the_editor(
    label_studio: LabelStudio, bucket: Bucket, videos: VideoFactory, editor: Editor, tmp_path: Path
) -> None:
    bucket.allow("https://elsewhere.example.org")
    clip = bucket.put(KEY, videos.make(n_frames=30))
    labels = tmp_path / "labels.txt"
    labels.write_text("Dissection\n")
    title = "Editor S3 denied"
    lsvid(label_studio, "setup-project", str(labels), "--title", title, "--storage", bucket.uri, "--presign")
    imported = lsvid(label_studio, "import-clips", bucket.uri, "--project", title)
    project, task = imported["project"]["id"], imported["items"][0]["task"]

    loaded = editor.page.locator("video, .lsf-timeline-frames")  # the canvas is there all along, empty
    with editor.page.expect_console_message(lambda message: "blocked by CORS policy" in message.text):
        editor.page.goto(f"{label_studio.url}/projects/{project}/data?task={task}")
    editor.page.wait_for_function("() => window.Htx?.annotationStore?.selected?.names.get('video')")
    editor.page.wait_for_timeout(2000)  # it does not come later either
    assert loaded.count() == 0

    command = ["check", bucket.uri, "--project", title, "--json"]
    checked = CliRunner().invoke(cli, command, env=label_studio.environment)
    assert checked.exit_code == 3
    (cors,) = [check for check in json.loads(checked.stdout)["checks"] if check["name"] == "CORS"]
    assert cors["status"] == "fail"
    assert f"the bucket of {clip} does not allow pages of {label_studio.url}" in cors["message"]
    document = json.loads(cors["remedy"].partition("'")[2].rpartition("'")[0])
    bucket.server.client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration=document)
    editor.open_task(project, task)
    assert (loaded.count(), editor.length) == (2, 30)
