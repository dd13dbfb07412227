"""Fixtures: one real S3 service (SeaweedFS, from pip) for the whole session, and a bucket of each test's own.

Measured on SeaweedFS 4.48: up 3.3 s after a fresh start; stopping politely takes 15 s, so it is killed; one taken port
ends the whole server.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

PROGRAM = Path(sys.executable).parent / "weed"

KEY, SECRET = "lsvidtestkey", "lsvid-test-secret-0123456789"

_START_TIMEOUT_S = 60


@dataclass(frozen=True)
class S3Server:
    """A running S3 service on loopback."""

    url: str
    process: "subprocess.Popen[bytes]" = field(repr=False)
    folder: Path = field(repr=False)
    client: Any = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that boto3 finds it by."""
        return {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def stop(self) -> None:
        """End it at once, and remove its data. Harmless when that was done already."""
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Bucket:
    """An empty bucket."""

    name: str
    server: S3Server

    @property
    def uri(self) -> str:
        """`s3://NAME`."""
        return f"s3://{self.name}"

    def put(self, key: str, content: bytes | Path) -> str:
        """Store an object; returns its URI."""
        body = content.read_bytes() if isinstance(content, Path) else content
        self.server.client.put_object(Bucket=self.name, Key=key, Body=body)
        return f"{self.uri}/{key}"

    def get(self, key: str) -> bytes:
        """What an object holds."""
        return bytes(self.server.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def keys(self) -> list[str]:
        """All keys (of a small bucket)."""
        return [entry["Key"] for entry in self.server.client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def allow(self, origin: str) -> None:
        """Let pages of `origin` read the bucket, by the document that lsvid prints."""
        from lsvid.files.storage import cors_document

        self.server.client.put_bucket_cors(Bucket=self.name, CORSConfiguration=cors_document(origin))


def start(folder: Path) -> S3Server:
    """A SeaweedFS that is up, its data in `folder`."""
    assert PROGRAM.exists(), "SeaweedFS is not installed in .envs/lsvid: run scripts/test, which installs it"
    (folder / "data").mkdir(parents=True)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = _free_ports(8)
    url = f"http://127.0.0.1:{s3}"
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "server", f"-dir={folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
             f"-master.port={master}", f"-master.port.grpc={master_grpc}",
             f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}",
             f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
             "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", "-s3.port.iceberg=0", "-s3.port.lance=0",
             f"-s3.config={folder}/s3.json", "-s3.autoCreateBucket=false",
             "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=2000", "-volume.preStopSeconds=0",
             f"-filer.localSocket={folder}/f.sock", f"-s3.localSocket={folder}/s.sock"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )  # fmt: skip
    server = S3Server(url, process, folder, client)
    try:
        _wait_until_up(server)
    except BaseException:
        server.stop()
        raise
    return server


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_until_up(server: S3Server) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        assert server.process.poll() is None, (server.folder / "weed.log").read_text()[-2000:]
        assert time.monotonic() < deadline, "SeaweedFS is not up in time"
        try:
            with urllib.request.urlopen(f"{server.url}/healthz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.1)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 service on free ports of loopback, empty, without its environment set: see `s3`."""
    server = start(tmp_path_factory.mktemp("s3"))
    atexit.register(server.stop)
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3Server, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The S3 service, with the environment set so that boto3 finds it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def bucket(s3: S3Server, request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket of the test's own, with the environment set."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.lower()).strip("-")[:50].strip("-")
    name = f"{name}-{os.urandom(3).hex()}"
    s3.client.create_bucket(Bucket=name)
    return Bucket(name, s3)
