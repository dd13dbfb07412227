"""What every test has: synthetic clips, and nothing of the person's own settings or caches."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from factories import VideoFactory

# How long one example takes says more of the machine than of the code.
settings.register_profile("lsvid", deadline=None)
settings.load_profile("lsvid")

if sys.version_info >= (3, 14) and importlib.util.find_spec("label_studio_sdk") is None:
    # What drives the SDK itself is for the Pythons on which it can be installed; tests/cli/test_connection.py holds
    # what is said on the others.
    collect_ignore = ["label_studio/test_client.py"]

if importlib.util.find_spec("h5py") is None:  # it comes some time after a new Python
    collect_ignore = [*globals().get("collect_ignore", []), "training/test_hdf5.py"]

pytest_plugins = ["label_studio_server", "s3_server", "editor", "projects"]


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
    monkeypatch.setenv("LSVID_CONFIG_DIR", str(tmp_path_factory.getbasetemp() / "no-configuration"))


def _cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "lsvid-cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def clips(videos: VideoFactory, tmp_path: Path) -> Path:
    """Two clips of one case, of 50 and 60 pictures, and a third that no export names."""
    for name, n in (("clip_1", 50), ("clip_2", 60), ("clip_10", 25)):
        videos.make(tmp_path / "clips" / "op1" / f"{name}.mp4", n_frames=n)
    return tmp_path / "clips"
