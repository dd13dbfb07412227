"""Many spans in one clip: the time grows about as their number does."""

import time
from pathlib import Path

import pytest

from exports import clip, export, index, placed


@pytest.mark.parametrize("file_format", ["webvtt", "srt", "mstcn", "cholec80", "activitynet", "mmaction", "fiftyone"])
def test_ten_thousand_spans_take_seconds(tmp_path: Path, file_format: str) -> None:
    spans = [(f"L{number % 20}", number * 5, number * 5 + 4) for number in range(10_000)]
    clips = placed(clip("op1/a", spans, index(50_000)))
    begin = time.process_time()
    export(tmp_path / "out", clips, file_format)
    assert time.process_time() - begin < 5  # a tenth of it here; with time that grows with the square it was 12 to 22
