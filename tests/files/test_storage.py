"""Files and objects behind one interface, on a real S3 service: listing, reading, writing, and what goes wrong."""

import io
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import cv2
import numpy as np
import pytest
import requests
from click.testing import CliRunner, Result

from factories import NTSC, VFR_GAPS, VideoFactory, read_burnt_number
from lsvid.cli import cli
from lsvid.errors import AuthError, ClipError, LsvidError, NotFoundError, ServerError, SettingsError
from lsvid.files import storage
from lsvid.video import boxes
from lsvid.video.clips import CaseRule, find_clips
from lsvid.video.index import probe, probe_all
from lsvid.video.lookup import ClipFinder
from s3_server import KEY, SECRET, Bucket, S3Server

pytestmark = pytest.mark.server

ODD_KEYS = [
    "op 1/clip 01 ü#%+&.mp4",
    "op 1/clip 02 'quoted' (a)=b;c,d@e!$.mp4",
    "手術/クリップ_3.mp4",
    "op 1/a%20b?x=1.mp4",
]


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=env, catch_exceptions=False)


# --- Listing ----------------------------------------------------------------------------------------------------------


def test_more_keys_than_one_page_come_in_natural_order(bucket: Bucket) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: bucket.put(f"many/case/clip_{n}.mp4", b"x"), range(1, 1501)))
    clips = find_clips([f"{bucket.uri}/many"], CaseRule())
    assert [clip.name for clip in clips] == [f"clip_{n}" for n in range(1, 1501)]
    assert [clip.order for clip in clips] == [float(n) for n in range(1, 1501)]
    assert clips[0].path == f"{bucket.uri}/many/case/clip_1.mp4"


def test_only_videos_of_the_folder_itself_are_taken(bucket: Bucket) -> None:
    for key in ("a/x.mp4", "a/deep/y.MOV", "ab/no.mp4", "a/notes.txt", "a/.hidden/z.mp4", "a/._x.mp4", "a/"):
        bucket.put(key, b"x")
    assert [clip.id for clip in find_clips([f"{bucket.uri}/a"], CaseRule())] == ["a/x", "deep/y"]
    assert [clip.path for clip in find_clips([f"{bucket.uri}/a/x.mp4"], CaseRule())] == [f"{bucket.uri}/a/x.mp4"]


def test_a_clip_in_no_folder_belongs_to_the_bucket_and_has_no_grandparent(bucket: Bucket) -> None:
    bucket.put("x.mp4", b"x")
    assert find_clips([bucket.uri], CaseRule())[0].case == bucket.name
    with pytest.raises(ClipError, match="has no folder to name its case"):
        find_clips([bucket.uri], CaseRule.parse(case_from="grandparent"))


def test_an_empty_prefix_holds_no_video(bucket: Bucket) -> None:
    with pytest.raises(ClipError, match=f"{bucket.uri}/nothing holds no video"):
        find_clips([f"{bucket.uri}/nothing"], CaseRule())


def test_a_manifest_may_name_objects(bucket: Bucket, tmp_path: Path) -> None:
    manifest = tmp_path / "clips.csv"
    manifest.write_text(f"path,order\n{bucket.uri}/op/b.mp4,1\n{bucket.uri}/op/a.mp4,2\n")
    assert [clip.id for clip in find_clips([str(manifest)], CaseRule())] == ["op/b", "op/a"]


def test_clips_are_found_again_by_the_longest_common_end(bucket: Bucket) -> None:
    for case in ("op1", "op2"):
        bucket.put(f"new/{case}/clip#1.mp4", b"x")
    finder = ClipFinder([f"{bucket.uri}/new"])
    assert finder.find("s3://elsewhere/old/op2/clip#1.mp4") == f"{bucket.uri}/new/op2/clip#1.mp4"
    assert finder.find("/data/op1/clip#1.mp4") == f"{bucket.uri}/new/op1/clip#1.mp4"
    assert ClipFinder([]).find(f"{bucket.uri}/new/op1/clip#1.mp4") == f"{bucket.uri}/new/op1/clip#1.mp4"


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_an_object_reads_like_a_file_across_blocks(bucket: Bucket) -> None:
    content = bytes(range(256)) * 4096  # four blocks
    uri = bucket.put("data.bin", content)
    file = storage.S3File(uri, storage.stat(uri))
    assert file.seek(storage.BLOCK - 3) == storage.BLOCK - 3
    assert file.read(10) == content[storage.BLOCK - 3 : storage.BLOCK + 7]
    assert file.seek(-5, io.SEEK_END) == len(content) - 5
    assert file.read(100) == content[-5:]
    assert file.read(1) == b""
    assert file.seek(0) == 0
    assert file.seek(2, io.SEEK_CUR) == 2
    assert io.BufferedReader(file).read() == content[2:]
    with pytest.raises(ValueError, match="before the beginning"):
        file.seek(-1)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_frames": 60},
        {"n_frames": 60, "rate": NTSC, "b_frames": 2, "audio": True},
        {"n_frames": 60, "gaps": VFR_GAPS},
        {"n_frames": 120, "cut_s": 1.3, "b_frames": 2},
        {"n_frames": 60, "suffix": ".mkv"},
        {"n_frames": 60, "codec": "mjpeg", "pixel_format": "yuvj420p", "suffix": ".mov"},
    ],
    ids=["constant", "ntsc", "variable", "cut", "matroska", "quicktime"],
)
def test_the_frame_index_is_the_same_as_from_a_file(
    bucket: Bucket, videos: VideoFactory, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "BLOCK", 2048)  # so that even of small clips most is left out
    monkeypatch.setattr(boxes, "_MEDIA_KEPT", 1024)
    path = videos.make(**parameters)
    here, there = probe(path), probe(bucket.put(f"op/{path.name}", path))
    assert there.fingerprint == here.fingerprint
    assert there.index.pts.tolist() == here.index.pts.tolist()
    assert (there.index.duration_s, there.index.last_duration) == (here.index.duration_s, here.index.last_duration)
    assert there.key_pts.tolist() == here.key_pts.tolist()
    assert (there.codec, there.pixel_format, there.size) == (here.codec, here.pixel_format, here.size)


def test_a_fragmented_file_is_read_to_its_end(bucket: Bucket, videos: VideoFactory, tmp_path: Path) -> None:
    path = tmp_path / "fragmented.mp4"
    with (
        av.open(str(videos.make(n_frames=60))) as source,
        av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    uri = bucket.put("op/fragmented.mp4", path)
    assert boxes.unneeded(storage.S3File(uri, storage.stat(uri))) == []
    assert probe(uri).fingerprint == probe(path).fingerprint


def test_the_index_of_a_large_clip_costs_little(bucket: Bucket, videos: VideoFactory, tmp_path: Path) -> None:
    """A clip of 20 MB with its index at the end: its first pictures, 2 MB, and under 1 MB more come over the wire."""
    path = tmp_path / "large.mp4"
    with av.open(str(videos.make(n_frames=250))) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                filler = b"\x0c" + b"\xff" * 80_000 + b"\x80"  # a NAL unit that decoders pass over
                padded = av.Packet(bytes(packet) + len(filler).to_bytes(4, "big") + filler)
                padded.pts, padded.dts, padded.time_base = packet.pts, packet.dts, packet.time_base
                padded.is_keyframe, padded.stream = packet.is_keyframe, stream
                target.mux(padded)
    assert path.stat().st_size > 20_000_000
    uri = bucket.put("op/large.mp4", path)
    received: list[int] = []

    def count(parsed: dict[str, Any], **_: object) -> None:
        received.append(parsed["ContentLength"])

    events = storage.client().meta.events
    events.register("after-call.s3.GetObject", count)
    info = probe(uri)
    again = probe(uri)
    events.unregister("after-call.s3.GetObject", count)
    assert sum(received) < 3_000_000
    assert len(received) <= 13, "the second time the index came from the cache"
    assert info.fingerprint == again.fingerprint == probe(path).fingerprint


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_are_taken_as_they_are(bucket: Bucket, videos: VideoFactory, key: str) -> None:
    path = videos.make(n_frames=30)
    uri = bucket.put(key, path)
    assert [clip.path for clip in find_clips([bucket.uri], CaseRule())] == [uri]
    assert probe(uri).fingerprint == probe(path).fingerprint
    answer = requests.get(storage.presigned_url(uri, 60), headers={"Range": "bytes=0-3"}, timeout=30)
    assert (answer.status_code, answer.content) == (206, path.read_bytes()[:4])


def test_what_is_no_video_fails_by_itself(bucket: Bucket, videos: VideoFactory) -> None:
    good = bucket.put("op/good.mp4", videos.make(n_frames=30))
    bad = bucket.put("op/bad.mp4", b"this is no video at all")
    empty = bucket.put("op/empty.mp4", b"")
    results = probe_all([good, bad, empty, f"{bucket.uri}/op/absent.mp4"])
    assert [type(result).__name__ for result in results] == ["VideoInfo", "ClipError", "ClipError", "ClipError"]
    assert "cannot be read as a video" in str(results[1])
    assert "is empty (0 bytes)" in str(results[2])
    assert str(results[3]) == f"there is no {bucket.uri}/op/absent.mp4"


def test_an_object_that_changes_while_it_is_read_is_not_mixed_up(bucket: Bucket) -> None:
    uri = bucket.put("a.bin", bytes(3 * storage.BLOCK))
    file = storage.S3File(uri, storage.stat(uri))
    file.read(10)
    bucket.put("a.bin", b"\1" * 3 * storage.BLOCK)
    file.seek(2 * storage.BLOCK)
    with pytest.raises(ClipError, match="changed while it was read"):
        file.read(10)


def test_an_expired_presigned_address_is_refused(bucket: Bucket) -> None:
    url = storage.presigned_url(bucket.put("a.bin", b"content"), 1)
    assert requests.get(url, timeout=30).content == b"content"
    time.sleep(2.2)
    assert requests.get(url, timeout=30).status_code == 403


# --- Writing ----------------------------------------------------------------------------------------------------------


def test_what_is_uploaded_is_there_and_can_be_removed(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    uri = f"{bucket.uri}/out/ü 1.csv"
    assert storage.read_bytes(uri) is None
    storage.upload(tmp_path / "file", uri)
    assert storage.read_bytes(uri) == b"content"
    storage.remove(uri)
    storage.remove(uri)
    assert bucket.keys() == []


def export_of(uri: str) -> list[dict[str, Any]]:
    region = {
        "value": {"ranges": [{"start": 3, "end": 12}], "timelinelabels": ["Cut"]},
        "id": "r1", "from_name": "task", "to_name": "video", "type": "timelinelabels",
    }  # fmt: skip
    data = {"video": uri, "fps": "25", "case": "op", "clip": "c1", "order": 1}
    return [{"id": 1, "data": data, "annotations": [{"id": 1, "completed_by": 1, "result": [region]}]}]


def test_results_go_to_s3_and_replace_earlier_ones(bucket: Bucket, videos: VideoFactory, tmp_path: Path) -> None:
    uri = bucket.put("clips/op/c1.mp4", videos.make(n_frames=30))
    export = tmp_path / "export.json"
    export.write_text(json.dumps(export_of(uri)))
    target = f"{bucket.uri}/results"
    assert run("export-frames", str(export), "--clips", f"{bucket.uri}/clips", "-o", target).exit_code == 0
    assert run("export-frames", str(export), "-o", str(tmp_path / "local")).exit_code == 0  # where the export says
    assert bucket.get("results/frames.csv") == (tmp_path / "local" / "frames.csv").read_bytes()
    manifest = json.loads(bucket.get("results/manifest.json"))
    assert [clip["path"] for clip in manifest["clips"]] == [uri]
    again = run("export-frames", str(export), "-o", target, "--format", "parquet")
    assert again.exit_code == 0
    assert sorted(bucket.keys()) == ["clips/op/c1.mp4", "results/frames.parquet", "results/manifest.json"]
    assert run("export-spans", str(export), "-o", f"{bucket.uri}/spans.jsonl").exit_code == 0
    assert b'"Cut"' in bucket.get("spans.jsonl")


def test_a_report_goes_to_s3(bucket: Bucket, videos: VideoFactory, tmp_path: Path) -> None:
    export = tmp_path / "export.json"
    export.write_text(json.dumps(export_of(bucket.put("op/c1.mp4", videos.make(n_frames=30)))))
    for _ in range(2):  # the second takes the first one's place
        result = run("report", str(export), "-o", f"{bucket.uri}/report/")
        assert result.exit_code == 0, result.output
        assert f"-> {bucket.uri}/report/report.html" in result.stderr
    assert bucket.get("report/report.html").startswith(b"<!DOCTYPE html>")
    assert {"report/timings.csv", "report/timings.json"} <= set(bucket.keys())
    bucket.put("taken/report.html", b"mine")
    assert "holds report.html, which no timings.json" in run("report", str(export), "-o", f"{bucket.uri}/taken").stderr
    assert bucket.get("taken/report.html") == b"mine"


def test_pictures_come_from_s3(bucket: Bucket, videos: VideoFactory, tmp_path: Path) -> None:
    export = tmp_path / "export.json"
    export.write_text(json.dumps(export_of(bucket.put("op/c1.mp4", videos.make(n_frames=30)))))
    target = f"{bucket.uri}/results"
    for _ in range(2):
        result = run("export-frames", str(export), "-o", target, "--images", "--jobs", "1")
        assert result.exit_code == 0, result.output
    keys = bucket.keys()
    pictures = [key for key in keys if key.endswith(".jpg")]
    assert pictures == [f"results/images/op/c1/{frame:06d}.jpg" for frame in range(2, 12)]
    encoded = np.frombuffer(bucket.get(pictures[3]), np.uint8)
    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert picture is not None
    assert read_burnt_number(picture) == 5


def test_proxies_are_made_of_clips_in_s3(bucket: Bucket, videos: VideoFactory, tmp_path: Path) -> None:
    uri = bucket.put("op/c1 ü.mp4", videos.make(n_frames=30))
    result = run("make-proxies", bucket.uri, "-o", str(tmp_path / "proxies"), "--jobs", "1")
    assert result.exit_code == 0, result.output
    proxy = tmp_path / "proxies" / "op" / "c1 ü.mp4"
    assert probe(proxy).index.n_frames == probe(uri).index.n_frames == 30
    assert [path.name for path in proxy.parent.iterdir()] == ["c1 ü.mp4"]


def test_foreign_tables_in_s3_are_not_overwritten(bucket: Bucket, videos: VideoFactory, tmp_path: Path) -> None:
    export = tmp_path / "export.json"
    export.write_text(json.dumps(export_of(bucket.put("op/c1.mp4", videos.make(n_frames=30)))))
    bucket.put("results/frames.csv", b"mine")
    result = run("export-frames", str(export), "-o", f"{bucket.uri}/results/")
    assert result.exit_code == 2
    assert "holds frames.csv, which no manifest.json of an earlier run names" in result.stderr
    assert bucket.get("results/frames.csv") == b"mine"


# --- What goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "kind", "message", "hint"),
    [
        ({"AWS_ACCESS_KEY_ID": "NOSUCHKEY"}, AuthError, "S3 does not know the access key", "AWS_ACCESS_KEY_ID"),
        ({"AWS_SECRET_ACCESS_KEY": "NOSUCHKEY"}, AuthError, "not take the secret of this", "secret_env"),
    ],
)  # fmt: skip
def test_wrong_credentials(
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    kind: type[LsvidError],
    message: str,
    hint: str,
) -> None:
    uri = bucket.put("op/a.mp4", b"x")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for ask in (
        lambda: list(storage.list_objects(bucket.uri)),
        lambda: storage.stat(uri),
        lambda: storage.upload(Path(__file__), uri),
    ):
        with pytest.raises(kind, match=message) as caught:
            ask()
        assert hint in caught.value.hint
        assert "NOSUCHKEY" not in str(caught.value) + caught.value.hint


def test_no_credentials_at_all(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(AuthError, match="no credentials for S3 were found while listing"):
        list(storage.list_objects(bucket.uri))
    with pytest.raises(AuthError, match="no credentials for S3 were found"):
        storage.credentials()


def test_a_missing_bucket(s3: S3Server, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="S3 has no such bucket, while listing s3://no-such-bucket/x"):
        list(storage.list_objects("s3://no-such-bucket/x"))
    with pytest.raises(NotFoundError, match="no such bucket"):
        storage.stat("s3://no-such-bucket/x.mp4")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(NotFoundError, match="no such bucket"):
        storage.upload(tmp_path / "file", "s3://no-such-bucket/x")


class _KilledError(BaseException):
    pass


def _killed(request: Any, **_: Any) -> None:
    """Send a request's head and not its body, and end."""
    parts = urlsplit(request.url)
    head = [f"PUT {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
    head += [
        f"{name}: {value if isinstance(value, str) else value.decode()}" for name, value in request.headers.items()
    ]
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        time.sleep(0.2)
    raise _KilledError


def test_an_upload_that_is_killed_leaves_what_was_there(bucket: Bucket, tmp_path: Path) -> None:
    file = tmp_path / "new"
    file.write_bytes(b"new")
    bucket.put("there", b"old")
    events = storage.client().meta.events
    events.register("before-send.s3.PutObject", _killed)
    try:
        for key in ("there", "nothing"):
            with pytest.raises(_KilledError):
                storage.write_bytes(b"new", f"{bucket.uri}/{key}")
            with pytest.raises(_KilledError):
                storage.upload(file, f"{bucket.uri}/{key}")
    finally:
        events.unregister("before-send.s3.PutObject", _killed)
    time.sleep(0.5)
    assert (bucket.keys(), bucket.get("there")) == (["there"], b"old")


def test_names_that_cannot_be(s3: S3Server) -> None:
    with pytest.raises(SettingsError, match="s3:// names no bucket"):
        list(storage.list_objects("s3://"))
    with pytest.raises(SettingsError, match="names a bucket, not an object"):
        storage.stat("s3://bucket")
    with pytest.raises(SettingsError, match="S3 does not accept this name"):
        list(storage.list_objects("s3://no bucket/x"))


def test_a_service_that_is_not_there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(ServerError, match="cannot reach S3 while listing") as caught:
            list(storage.list_objects(bucket.uri))
    assert "is the service at 127.0.0.1 running" in caught.value.hint


def test_options_name_the_service_and_variables_with_the_keys(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, videos: VideoFactory, tmp_path: Path
) -> None:
    uri = bucket.put("op/c1.mp4", videos.make(n_frames=30))
    for name in bucket.server.environment:
        monkeypatch.delenv(name)
    export = tmp_path / "export.json"
    export.write_text(json.dumps(export_of(uri)))
    command = ["export-frames", str(export), "-o", f"{bucket.uri}/results", "--s3-endpoint", bucket.server.url,
               "--s3-region", "us-east-1", "--s3-key-env", "HOSPITAL_KEY",
               "--s3-secret-env", "HOSPITAL_SECRET"]  # fmt: skip
    missing = run(*command)
    assert missing.exit_code == 2
    assert "the environment variable HOSPITAL_KEY is not set" in missing.stderr
    alone = run(*command[:-2])
    assert "--s3-key-env and --s3-secret-env go together" in alone.stderr
    result = run(*command, "--json", env={"HOSPITAL_KEY": KEY, "HOSPITAL_SECRET": SECRET})
    assert result.exit_code == 0, result.stderr
    written = bucket.get("results/manifest.json").decode() + bucket.get("results/frames.csv").decode()
    for text in (result.stdout, result.stderr, written):
        assert KEY not in text
        assert SECRET not in text
        assert "X-Amz" not in text


@pytest.mark.parametrize("endpoint", ["localhost:9000", "ftp://s3.example.org", "http://user:word@s3.example.org"])
def test_addresses_that_cannot_be(s3: S3Server, endpoint: str) -> None:
    with pytest.raises(SettingsError, match="endpoint is not the address of an S3 service") as caught:
        storage.configure_s3(endpoint=endpoint)
    assert "word" not in str(caught.value)
