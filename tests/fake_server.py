"""A small web server that misbehaves as told, for what a real Label Studio cannot be made to do."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = "<!DOCTYPE html><html><body>Log in</body></html>"

Answer = tuple[int, str | bytes | dict[str, Any] | list[Any]]


class FakeServer:
    """A server that misbehaves as told: `answers` by "METHOD /path" is a status and a body, or a function for them.

    Everything it does not know is 404. `requests` is what it was asked, `bodies` what came with it; `headers` go with
    every answer. A function that returns None breaks the
    connection.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[bytes, dict[str, list[str]]], Answer | None]] = {
            "GET /api/version": (200, {"release": "1.23.2"}),
            "GET /api/current-user/whoami": (200, {"id": 1, "email": "a@example.com"}),
        }
        self.headers: dict[str, str] = {}
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.url = ""

    def answer(self, method: str, path: str, body: bytes) -> Answer | None:
        parts = urlsplit(path)
        name = f"{method} {parts.path.rstrip('/')}"
        self.requests.append(name)
        self.bodies.append(body)
        found = self.answers.get(name, (404, {"detail": "Not found."}))
        return found(body, parse_qs(parts.query)) if callable(found) else found


class Handler(BaseHTTPRequestHandler):
    fake: FakeServer
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.fake.answer(self.command, self.path, body)
        if answer is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status, content = answer
        text = content if isinstance(content, str) else "" if isinstance(content, bytes) else json.dumps(content)
        data = content if isinstance(content, bytes) else text.encode()
        self.send_response(status)
        if status in (301, 302, 307, 308):
            self.send_header("Location", text)
        for name, value in self.fake.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html" if text.startswith("<") else "application/json")
        self.send_header("Set-Cookie", "sessionid=cookie-secret")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = handle_any  # noqa: N815 - the names that http.server calls

    def log_message(self, *_: object) -> None:
        """Nothing on the tests' standard error."""


@contextmanager
def serving(fake: FakeServer) -> Iterator[FakeServer]:
    handler = type("Handler", (Handler,), {"fake": fake})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
