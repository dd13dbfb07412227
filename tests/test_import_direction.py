"""Imports go one way: a module imports only from those before it. A new module must be placed here."""

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parent
SRC = TESTS.parent / "src" / "lsvid"

ORDER = [
    "clock", "redaction", "wording", "errors", "findings", "progress", "files", "workers", "labels", "video",
    "annotations", "labeling", "readers", "writers", "analysis", "training", "report", "label_studio", "reading",
    "dataset", "cli", "__main__",
]  # fmt: skip
"""The modules and packages of lsvid, from the bottom up. Within a package they may import one another."""

FREE = {"__init__"}  # the version, and nothing that imports
ONLY_IN = {"label_studio_sdk": {"label_studio"}, "click": {"cli", "__main__"}, "distributed": {"workers"}}


def _parts() -> dict[str, list[Path]]:
    """The files of each top-level module or package of lsvid."""
    parts: dict[str, list[Path]] = {}
    for file in sorted(SRC.rglob("*.py")):
        parts.setdefault(file.relative_to(SRC).parts[0].removesuffix(".py"), []).append(file)
    return parts


def _imported(file: Path) -> list[tuple[str, bool]]:
    """The dotted names that `file` imports, anywhere in it, and whether the import runs with the module itself."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    at_top = {id(node) for node in tree.body}
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [(alias.name, id(node) in at_top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: import by the full name, lsvid.…, so that the direction can be seen"
            names += [(f"{node.module}.{alias.name}", id(node) in at_top) for alias in node.names]
    return names


def test_every_module_is_placed() -> None:
    unplaced = set(_parts()) - set(ORDER) - FREE
    assert not unplaced, f"place these in ORDER: {sorted(unplaced)}"


def test_imports_go_one_way() -> None:
    wrong = []
    for part, files in _parts().items():
        for file in files:
            for name, _ in _imported(file):
                names = name.split(".")
                if names[0] != "lsvid" or not {part, *names[1:2]} <= set(ORDER):
                    continue  # lsvid.__version__ is not a module; the test above reports modules without a place
                if names[1] != part and ORDER.index(names[1]) > ORDER.index(part):
                    wrong.append(f"{file.relative_to(SRC)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_foreign_packages_stay_where_they_belong() -> None:
    wrong = []
    for part, files in _parts().items():
        for file in files:
            for name, at_top in _imported(file):
                package = name.split(".")[0]
                if part not in ONLY_IN.get(package, {part}):
                    wrong.append(f"{file.relative_to(SRC)} imports {package}")
                if package == "label_studio_sdk" and at_top:
                    wrong.append(f"{file.relative_to(SRC)} imports {package} at its top: 2 s for every command")
    assert not wrong, "\n".join(wrong)


def test_no_test_module_imports_another() -> None:
    files = sorted(TESTS.rglob("test_*.py"))
    modules = {file.stem for file in files}
    wrong = [
        f"{file.relative_to(TESTS)} imports {name}"
        for file in files
        for name, _ in _imported(file)
        if modules & set(name.split("."))
    ]
    assert files
    assert not wrong, "what tests share has a module of its own in tests/:\n" + "\n".join(wrong)
