"""People with accounts on the tests' Label Studio."""

from typing import Any

import requests

from label_studio_server import LabelStudio


class Annotator:
    """A person with an account of the server's, made through its page of invitation."""

    def __init__(self, server: LabelStudio, email: str) -> None:
        self.url, self.email = server.url, email
        self.session = requests.Session()
        page = server.url + server.api("GET", "/api/invite")["invite_url"]
        self.session.get(page, timeout=60)
        form = {"email": email, "password": "pw-annotator1", "csrfmiddlewaretoken": self.session.cookies["csrftoken"]}
        self.session.post(page, data=form, headers={"Referer": page}, timeout=60).raise_for_status()

    def post(self, path: str, body: object = None) -> Any:
        headers = {"X-CSRFToken": self.session.cookies["csrftoken"], "Referer": self.url}
        response = self.session.post(self.url + path, json=body, headers=headers, timeout=60)
        return response.json() if response.ok else response.status_code

    def next_in(self, project: int, view: dict[str, Any] | None = None) -> Any:
        """The clip that "Label All Tasks" gives, or with a tab "Label Tasks As Displayed"; 404 where there is none."""
        body = None
        if view is not None:
            body = {key: view["data"][key] for key in ("filters", "ordering")}
            body["selectedItems"] = {"all": True, "excluded": []}
        found = self.post(f"/api/dm/actions/?id=next_task&project={project}", body)
        return found if isinstance(found, int) else found["data"]["id"]

    def submit(self, task: int, *, skip: bool = False, lead_time: float = 60) -> None:
        body = {"result": [], "was_cancelled": skip, "lead_time": lead_time}
        assert self.post(f"/api/tasks/{task}/annotations/", body) != 400
