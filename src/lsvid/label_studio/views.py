"""Tabs of the Data Manager: one for each case, which an annotator opens to take one operation, and one a person.

Facts of Label Studio 1.23.2 Community (measured): every user of a project sees its tabs; sorting by a number in the
tasks' data is numeric (2, 2.5, 10), so a clip that was imported late stands, and is served, in its place; "Label Tasks
As Displayed" serves the tab's tasks in its order.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lsvid.label_studio.client import Server
from lsvid.label_studio.tasks import TASK_KEYS

ORDERING = ["tasks:data.order"]
PERSON_ORDERING = ["tasks:id"]
_CASE_COLUMN = "filter:tasks:data.case"


EXPLORED = (
    "tasks:data.clip", "tasks:data.duration_s", "tasks:completed_at", "tasks:total_annotations",
    "tasks:cancelled_annotations", "tasks:annotators", "tasks:avg_lead_time", "tasks:draft_exists",
)  # fmt: skip
"""The columns of a tab while its table is looked at; Label Studio shows the tasks' data first."""
LABELLED = ("tasks:data.clip", "tasks:total_annotations")
"""The columns that stand beside the editor."""

UNCERTAIN_ORDERING = ["tasks:predictions_score"]
"""The least certain prediction first; a clip without one has no score, and stands before them (1.23.2)."""


class _View(msgspec.Struct):
    id: int
    data: dict[str, Any]


def update_case_views(server: Server, project_id: int, cases: Iterable[str]) -> list[str]:
    """Give each of `cases` its tab where it has none, in their order, and sort those there are; the cases changed.

    A tab is known by its filter, so that people may rename it and choose its columns; those that lsvid of old chose
    for it, and nobody since, give way. Raises ServerError.
    """
    views = _views(server, project_id)
    by_case = {case: view for view in reversed(views) if (case := _case(view.data)) is not None}
    hidden = _hidden(server, project_id, EXPLORED)
    changed = []
    for case in cases:
        view = by_case.get(case)
        is_as_of_old = view is not None and view.data.get("hiddenColumns") == _HIDDEN_OF_OLD
        if view is not None and view.data.get("ordering") == ORDERING and not is_as_of_old:
            continue
        with server.errors(f"making the Data Manager's tab of case {case}"):
            if view is None:
                server.sdk.views.create(project=project_id, data=_view_data(case, hidden))
            else:
                data = {**view.data, "ordering": ORDERING} | ({"hiddenColumns": hidden} if is_as_of_old else {})
                server.sdk.views.update(id=str(view.id), project=project_id, data=data)
        changed.append(case)
    return changed


def update_person_views(server: Server, project_id: int, assigned: Mapping[str, Sequence[str]]) -> list[str]:
    """Give each person of `assigned` a tab with their cases, or bring it up to date; those whose tab was changed.

    A person's tab is known by its title. Its clips come as they were imported: by case, then in order, late ones last,
    since a tab sorts by one column (1.23.2). Raises ServerError.
    """
    if not assigned:
        return []
    views = {str(view.data.get("title")): view for view in _views(server, project_id) if _is_person(view.data)}
    hidden = _hidden(server, project_id, ("tasks:data.case", *EXPLORED))
    changed = []
    for person, cases in assigned.items():
        wanted = {"conjunction": "or", "items": [_filter(case) for case in cases]}
        view = views.get(person)
        if view is not None and _cases(view.data) == list(cases):
            continue
        with server.errors(f"making the Data Manager's tab of {person}"):
            if view is None:
                data = {"title": person, "type": "list", "filters": wanted, "ordering": PERSON_ORDERING}
                server.sdk.views.create(project=project_id, data={**data, "hiddenColumns": hidden})
            else:
                server.sdk.views.update(id=str(view.id), project=project_id, data={**view.data, "filters": wanted})
        changed.append(person)
    return changed


def assigned_cases(server: Server, project_id: int) -> dict[str, list[str]]:
    """The cases of each person who has a tab, as `update_person_views` made them. Raises ServerError."""
    views = _views(server, project_id)
    return {str(view.data.get("title")): _cases(view.data) for view in views if _is_person(view.data)}


def add_uncertain_view(server: Server, project_id: int) -> None:
    """Give the project a tab that lists the least certain clips first, unless one is so ordered. Raises ServerError."""
    if any(view.data.get("ordering") == UNCERTAIN_ORDERING for view in _views(server, project_id)):
        return
    hidden = _hidden(server, project_id, ("tasks:data.case", *EXPLORED, *UNCERTAIN_ORDERING))
    data = {"hiddenColumns": hidden, "title": "Least certain first", "type": "list", "ordering": UNCERTAIN_ORDERING}
    with server.errors("making the Data Manager's tab of the least certain clips"):
        server.sdk.views.create(project=project_id, data=data)


def _views(server: Server, project_id: int) -> list[_View]:
    return server.get_json("api/dm/views/", "listing the Data Manager's tabs", list[_View], {"project": project_id})


_HIDDEN_OF_OLD = {"explore": ["tasks:data.fingerprint", "tasks:data.path", "tasks:data.id"], "labeling": []}


class _Column(msgspec.Struct):
    id: str
    target: str
    parent: str | None = None


class _Columns(msgspec.Struct):
    columns: list[_Column]


def _hidden(server: Server, project_id: int, explored: Sequence[str]) -> dict[str, list[str]]:
    """All columns but those to be seen, in the table and beside the editor.

    A tab has a list of hidden columns only, and shows all others: some twenty-five, of which `clip` is the last.
    """
    what = "listing the Data Manager's columns"
    found = server.get_json("api/dm/columns", what, _Columns, {"project": project_id}).columns
    known = [f"{one.target}:{one.parent + '.' if one.parent else ''}{one.id}" for one in found]
    known += [column for key in TASK_KEYS if (column := f"tasks:data.{key}") not in known]  # before the first import
    return {
        "explore": [column for column in known if column not in explored],
        "labeling": [column for column in known if column not in LABELLED],
    }


def _view_data(case: str, hidden: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "title": f"Case {case}",
        "type": "list",
        "filters": {"conjunction": "and", "items": [_filter(case)]},
        "ordering": ORDERING,
        "hiddenColumns": hidden,
    }


def _case(data: dict[str, Any]) -> str | None:
    """The case that a tab shows, or None if it shows something else."""
    cases = _cases(data)
    return cases[0] if len(cases) == 1 and not _is_person(data) else None


def _cases(data: dict[str, Any]) -> list[str]:
    """The cases that the filters of a tab name; none if one of them asks for something else."""
    filters = (data.get("filters") or {}).get("items") or []
    if any((one.get("filter"), one.get("operator")) != (_CASE_COLUMN, "equal") for one in filters):
        return []
    return [str(one.get("value")) for one in filters]


def _is_person(data: dict[str, Any]) -> bool:
    """Whether a tab shows any of several cases: so lsvid makes a person's, even where the person has one case."""
    return (data.get("filters") or {}).get("conjunction") == "or" and bool(_cases(data))


def _filter(case: str) -> dict[str, str]:
    return {"filter": _CASE_COLUMN, "operator": "equal", "type": "String", "value": case}
