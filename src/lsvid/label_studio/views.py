"""Tabs of the Data Manager: one for each case, which an annotator opens to work on it, and one for each person.

Facts of Label Studio 1.23.2 Community (measured): every user of a project sees all its tabs; sorting by a number in the
tasks' data is numeric (2, 2.5, 10), so a clip that was imported late is shown and served in its right place; "Label
Tasks As Displayed" serves the tab's tasks in its order.
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
"""The columns of a tab while its table is open; Label Studio shows the tasks' data first."""
LABELLED = ("tasks:data.clip", "tasks:total_annotations")
"""The columns beside the editor."""

UNCERTAIN_ORDERING = ["tasks:predictions_score"]
"""The least certain prediction first. A clip without one has no score, and comes before them (1.23.2)."""


class _View(msgspec.Struct):
    id: int
    data: dict[str, Any]


def update_case_views(server: Server, project_id: int, cases: Iterable[str]) -> list[str]:
    """Make a tab for each of `cases` that has none, in order, and sort the existing ones. Returns the changed cases.

    A tab is found by its filter, so people may rename it and choose its columns. Columns that an older lsvid chose, and
    nobody changed since, are replaced. Raises ServerError.
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
    """Make or update a tab with the cases of each person in `assigned`. Returns the persons whose tab was changed.

    A person's tab is found by its title. Its clips come as they were imported: by case, then in order, but late ones
    last, since a tab can sort by only one column (1.23.2). Raises ServerError.
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
    """Make a tab that lists the least certain clips first, unless there is one. Raises ServerError."""
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
    """The hidden columns of a tab: all but those to show in the table, and all but those beside the editor.

    A tab only has a list of hidden columns, and shows all others: about 25, with `clip` as the last.
    """
    what = "listing the Data Manager's columns"
    found = server.get_json("api/dm/columns", what, _Columns, {"project": project_id}).columns
    known = [f"{one.target}:{one.parent + '.' if one.parent else ''}{one.id}" for one in found]
    # Before the first import the server does not know lsvid's columns.
    known += [column for key in TASK_KEYS if (column := f"tasks:data.{key}") not in known]
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
    """The case that a tab shows; None if it does not show a single case."""
    cases = _cases(data)
    return cases[0] if len(cases) == 1 and not _is_person(data) else None


def _cases(data: dict[str, Any]) -> list[str]:
    """The cases that the filters of a tab name; empty if a filter is about something else."""
    filters = (data.get("filters") or {}).get("items") or []
    if any((one.get("filter"), one.get("operator")) != (_CASE_COLUMN, "equal") for one in filters):
        return []
    return [str(one.get("value")) for one in filters]


def _is_person(data: dict[str, Any]) -> bool:
    """Whether a tab is a person's: lsvid gives it the filter "any of", even if the person has one case."""
    return (data.get("filters") or {}).get("conjunction") == "or" and bool(_cases(data))


def _filter(case: str) -> dict[str, str]:
    return {"filter": _CASE_COLUMN, "operator": "equal", "type": "String", "value": case}
