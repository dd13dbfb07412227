"""A tab of the Data Manager for each case, its clips in order: what one annotator opens to take one operation.

Facts of Label Studio 1.23.2 Community (measured): every user of a project sees its tabs; sorting by a number in the
tasks' data is numeric (2, 2.5, 10), so a clip that was imported late stands, and is served, in its place; "Label Tasks
As Displayed" serves the tab's tasks in its order.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from lsvid.label_studio.client import Server

ORDERING = ["tasks:data.order"]
_CASE_COLUMN = "filter:tasks:data.case"


UNCERTAIN_ORDERING = ["tasks:predictions_score"]
"""The least certain prediction first; a clip without one has no score, and stands before them (1.23.2)."""


class _View(msgspec.Struct):
    id: int
    data: dict[str, Any]


def update_case_views(server: Server, project_id: int, cases: Iterable[str]) -> list[str]:
    """Give each of `cases` its tab where it has none, in their order, and sort those there are; the cases changed.

    A tab is known by its filter, so that people may rename it and choose its columns. Raises ServerError.
    """
    views = _views(server, project_id)
    by_case = {case: view for view in reversed(views) if (case := _case(view.data)) is not None}
    changed = []
    for case in cases:
        view = by_case.get(case)
        if view is not None and view.data.get("ordering") == ORDERING:
            continue
        with server.errors(f"making the Data Manager's tab of case {case}"):
            if view is None:
                server.sdk.views.create(project=project_id, data=_view_data(case))
            else:
                data = {**view.data, "ordering": ORDERING}
                server.sdk.views.update(id=str(view.id), project=project_id, data=data)
        changed.append(case)
    return changed


def add_uncertain_view(server: Server, project_id: int) -> None:
    """Give the project a tab that lists the least certain clips first, unless one is so ordered. Raises ServerError."""
    if any(view.data.get("ordering") == UNCERTAIN_ORDERING for view in _views(server, project_id)):
        return
    data = {**_HIDDEN, "title": "Least certain first", "type": "list", "ordering": UNCERTAIN_ORDERING}
    with server.errors("making the Data Manager's tab of the least certain clips"):
        server.sdk.views.create(project=project_id, data=data)


def _views(server: Server, project_id: int) -> list[_View]:
    return server.get_json("api/dm/views/", "listing the Data Manager's tabs", list[_View], {"project": project_id})


_HIDDEN = {"hiddenColumns": {"explore": ["tasks:data.fingerprint", "tasks:data.path", "tasks:data.id"], "labeling": []}}


def _view_data(case: str) -> dict[str, Any]:
    one = {"filter": _CASE_COLUMN, "operator": "equal", "type": "String", "value": case}
    return {
        "title": f"Case {case}",
        "type": "list",
        "filters": {"conjunction": "and", "items": [one]},
        "ordering": ORDERING,
        **_HIDDEN,
    }


def _case(data: dict[str, Any]) -> str | None:
    """The case that a tab shows, or None where it shows something else."""
    filters = (data.get("filters") or {}).get("items") or []
    if len(filters) != 1:
        return None
    one = filters[0]
    is_case = (one.get("filter"), one.get("operator")) == (_CASE_COLUMN, "equal")
    return str(one.get("value")) if is_case else None
