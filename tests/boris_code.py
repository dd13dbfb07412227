"""BORIS's own code without its windows: run by the Python of an environment that has BORIS and tablib, nothing else.

    python boris_code.py PROJECT

opens the project as BORIS does, checks it as BORIS does, and prints as JSON what is wrong with it, and BORIS's table of
aggregated events. What BORIS imports for its windows, players and pictures (Qt, mpv, matplotlib) becomes empty classes.
"""

import importlib.machinery
import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any

EMPTY = {"PyQt5", "PySide6", "cv2", "exifread", "hachoir", "matplotlib", "numpy", "pandas", "PIL", "pyqtgraph", "scipy"}
WINDOWS = {"boris.mpv", "boris.mpv2", "boris.ipc_mpv", "boris.player_dock_widget", "boris.core"}


class AnyClass(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything

    def __or__(cls, other: Any) -> Any:
        return cls

    __ror__ = __or__


class Anything(metaclass=AnyClass):
    def __init__(self, *_arguments: Any, **_options: Any) -> None: ...

    def __call__(self, *_arguments: Any, **_options: Any) -> Any:
        return self


class AnyModule(types.ModuleType):
    sofile = "libmpv.so.1"
    __path__ = []  # noqa: RUF012 - as of a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return AnyClass(name, (Anything,), {})


class AnyFinder:
    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        if name in WINDOWS or name.partition(".")[0] in EMPTY:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: Any) -> Any:
        return AnyModule(spec.name)

    def exec_module(self, module: Any) -> None: ...


def main(project: str) -> None:
    sys.meta_path.insert(0, AnyFinder())
    spec = importlib.util.find_spec("boris")  # not imported: that would start its windows
    assert spec is not None
    assert spec.submodule_search_locations
    package = types.ModuleType("boris")
    package.__path__ = [str(Path(spec.submodule_search_locations[0]))]
    sys.modules["boris"] = package
    functions, export, names = (
        importlib.import_module(f"boris.{name}") for name in ("project_functions", "export_observation", "config")
    )
    _, _, pj, _ = functions.open_project_json(project)
    chosen = {
        names.SELECTED_SUBJECTS: [names.NO_FOCAL_SUBJECT, *(one["name"] for one in pj["subjects_conf"].values())],
        names.SELECTED_BEHAVIORS: [one["code"] for one in pj["behaviors_conf"].values()],
        names.EXCLUDE_BEHAVIORS: False, "time": names.TIME_FULL_OBS, names.START_TIME: 0, names.END_TIME: 0,
    }  # fmt: skip
    most = max(export.export_aggregated_events(pj, chosen, one)[1] for one in pj["observations"])
    rows = [
        [str(cell) for cell in row]
        for one in pj["observations"]
        for row in export.export_aggregated_events(pj, chosen, one, most)[0]
    ]
    variables = [pj["independent_variables"][key]["label"] for key in sorted(pj["independent_variables"], key=int)]
    header = [  # boris/export_events.py: fields_type
        "Observation id", "Observation date", "Description", "Observation type", "Source", "Time offset (s)",
        "Coding duration", "Media duration (s)", "FPS (frame/s)", *variables, "Subject",
        "Observation duration by subject by observation", "Behavior", "Behavioral category",
        *(f"Modifier #{number + 1}" for number in range(most)), "Behavior type", "Start (s)", "Stop (s)",
        "Duration (s)", "Media file name", "Image index start", "Image index stop", "Image file path start",
        "Image file path stop", "Comment start", "Comment stop",
    ]  # fmt: skip
    wrong = functions.check_project_integrity(pj, names.HHMMSS, project, media_file_available=False)
    sys.stdout.write(json.dumps({"wrong": wrong.replace("<br>", "").strip(), "table": [header, *rows]}))


if __name__ == "__main__":
    main(sys.argv[1])
