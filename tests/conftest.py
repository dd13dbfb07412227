"""What every test has: synthetic clips, and nothing of the person's own settings or caches."""

import os
from pathlib import Path

import pytest

from factories import VideoFactory

pytest_plugins = ["label_studio_server", "s3_server", "editor"]


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> VideoFactory:
    """Makes synthetic clips: `videos.make(path, n_frames=50, rate=NTSC)`; see factories.Video."""
    return VideoFactory(tmp_path_factory.mktemp("videos"))


@pytest.fixture(autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server, key or bucket of the person who runs the tests; a cache of the tests' own."""
    for name in list(os.environ):
        if name.startswith(("LABEL_STUDIO_", "LSVID_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("LSVID_CACHE_DIR", str(_cache_dir(tmp_path_factory)))


def _cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "lsvid-cache"
    folder.mkdir(exist_ok=True)
    return folder
