"""All features in one HDF5 file, as SelfSupSurg reads them; where h5py can be had (see conftest)."""

from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np

import extractors
from factories import VideoFactory
from lsvid.training.features import FeatureOptions, write_features
from training_cases import MIXED, sampled_plainly, training_case


def test_one_file_for_all_cases(videos: VideoFactory, tmp_path: Path) -> None:
    clips = [*training_case(videos, MIXED, [None] * 3), *training_case(videos, MIXED[:1], [None], case="op2")]
    write_features(clips, extractors.number, tmp_path, FeatureOptions(5, format="hdf5"))
    numbers = [
        [c.case_frame + f for c in some for f in sampled_plainly(c, Fraction(5))] for some in (clips[:3], clips[3:])
    ]
    with h5py.File(tmp_path / "features.hdf5") as file:
        assert list(file.attrs["videos"]) == ["op1", "op2"]
        assert file["video_id"][:].tolist() == [1] * len(numbers[0]) + [2] * len(numbers[1])
        assert file["frame_id"][:].tolist() == numbers[0] + numbers[1]
        assert file["embeddings"].dtype == np.float32
        assert file["embeddings"][:, 0].tolist() == numbers[0] + numbers[1]
