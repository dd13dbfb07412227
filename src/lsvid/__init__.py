"""lsvid: label time in video with Label Studio, and get exact per-frame labels out.

    import lsvid

    dataset = lsvid.read("export.json", clips="clips")      or lsvid.read_project("Surgery")
    dataset.frames()                                        the frame table, a polars DataFrame
    dataset["op1/clip_1"].labels().values                   uint8 (n_frames, n_labels)
    dataset["op1/clip_1"].pictures([0, 25, 50])             (frame, RGB picture) of each
    dataset.tidy(snap_s=0.2).merge("majority").write("frames/", format="parquet")

Only the names in `__all__` are public. Each name is imported when it is first used, so `import lsvid` is as quick as
the import of a small package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsvid.analysis.evaluated import Evaluation
    from lsvid.analysis.evaluation import evaluate
    from lsvid.dataset import Clip, Dataset, FrameLabels, LsvidWarning, open_clip, read, read_project
    from lsvid.errors import LsvidError
    from lsvid.labeling.config import labeling_config
    from lsvid.labels.files import read_labels
    from lsvid.labels.tree import Label, LabelTree

__version__ = "0.1.0"

__all__ = [
    "Clip",
    "Dataset",
    "Evaluation",
    "FrameLabels",
    "Label",
    "LabelTree",
    "LsvidError",
    "LsvidWarning",
    "evaluate",
    "labeling_config",
    "open_clip",
    "read",
    "read_labels",
    "read_project",
]

_HOME = {
    "lsvid.analysis.evaluated": ("Evaluation",),
    "lsvid.analysis.evaluation": ("evaluate",),
    "lsvid.dataset": ("Clip", "Dataset", "FrameLabels", "LsvidWarning", "open_clip", "read", "read_project"),
    "lsvid.errors": ("LsvidError",),
    "lsvid.labeling.config": ("labeling_config",),
    "lsvid.labels.files": ("read_labels",),
    "lsvid.labels.tree": ("Label", "LabelTree"),
}
_MODULES = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
