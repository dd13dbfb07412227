"""The tasks of a project with everything that was drawn in them, to copy it from one project to another."""

from typing import Any

import msgspec

from lsvid.label_studio.export import ProjectExport
from lsvid.readers.documents import iter_documents


class Drawn(msgspec.Struct):
    """An annotation, or a prediction."""

    id: int
    model_version: str | None = None
    completed_by: int | None = None
    was_cancelled: bool = False
    updated_at: str = ""
    result: list[dict[str, Any]] | None = None


class PassTask(msgspec.Struct):
    """A task with all that was drawn in it; a prediction may be only its id."""

    id: int
    data: dict[str, Any]
    annotations: list[Drawn] = []
    predictions: list[Drawn | int] = []

    @property
    def clip(self) -> str:
        """The id of its clip, `case/name`; the address of its video if lsvid did not make the task."""
        return str(self.data.get("id") or self.data.get("video"))


def pass_tasks(export: ProjectExport) -> list[PassTask]:
    """The project's tasks, in order."""
    return [msgspec.json.decode(one.raw, type=PassTask) for one in iter_documents(str(export.path))]
