"""A proxy that misbehaves as told, in front of a real Label Studio."""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PAGE = b"<!DOCTYPE html><html><body>Log in</body></html>"

Mischief = Callable[["Handler"], None]


@dataclass
class BadProxy:
    """Passes requests on to `target`. The requests that `when` fits meet the next of `mischief` (None: passed on).

    requests: "METHOD /path" of all that came. passed_on: of those that reached the target.
    """

    target: str
    url: str = ""
    when: Callable[[str], bool] = lambda _: False
    mischief: Iterator[Mischief | None] = field(default_factory=lambda: iter(()))
    requests: list[str] = field(default_factory=list)
    passed_on: list[str] = field(default_factory=list)

    def count(self, start: str) -> int:
        """The requests so far that begin with `start`."""
        return sum(request.startswith(start) for request in self.requests)


class Handler(BaseHTTPRequestHandler):
    proxy: BadProxy
    protocol_version = "HTTP/1.1"
    body = b""

    def handle_any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = f"{self.command} {urlsplit(self.path).path}"
        self.proxy.requests.append(name)
        action = next(self.proxy.mischief, None) if self.proxy.when(name) else None
        if action:
            action(self)
        else:
            self.answer(*self.pass_on())

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names that http.server calls

    def pass_on(self) -> tuple[int, str, bytes]:
        """Send the request to the server; status, content type and body of its answer."""
        parts = urlsplit(self.proxy.target)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            connection.request(self.command, self.path, self.body, kept)
            answer = connection.getresponse()
            content = answer.read()
            self.proxy.passed_on.append(f"{self.command} {urlsplit(self.path).path}")
            self.ranges = answer.headers.get("Content-Range", "")
            return answer.status, answer.headers.get("Content-Type", ""), content
        finally:
            connection.close()

    ranges = ""

    def answer(self, status: int, content_type: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if self.ranges:
            self.send_header("Content-Range", self.ranges)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def break_off(self) -> None:
        """Reset the connection, as a crashed proxy or a firewall does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked has been killed, or the server stopped
            super().handle()

    def finish(self) -> None:
        with suppress(OSError):  # the client has gone, or was reset
            super().finish()

    def log_message(self, *_: object) -> None:
        """Nothing on the tests' standard error."""


# --- Mischief ---------------------------------------------------------------------------------------------------------


def status(code: int, content: bytes = PAGE, headers: dict[str, str] | None = None) -> Mischief:
    """Answers `code`; the request does not reach the server."""
    kind = "text/html" if content.startswith(b"<") else "application/json"
    return lambda handler: handler.answer(code, kind, content, headers)


def reset_before(handler: Handler) -> None:
    """The connection breaks before the request reaches the server."""
    handler.break_off()


def reset_after(handler: Handler) -> None:
    """The connection breaks after the server has done what was asked."""
    handler.pass_on()
    handler.break_off()


def half_an_answer(handler: Handler) -> None:
    """The connection breaks in the middle of the answer."""
    code, kind, content = handler.pass_on()
    handler.send_response(code)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.wfile.flush()
    handler.break_off()


def gateway_timeout(handler: Handler) -> None:
    """504, though the server has done what was asked."""
    handler.pass_on()
    handler.answer(504, "text/html", PAGE)


def no_answer(handler: Handler) -> None:
    """The server does it, and no answer comes: the client waits until its patience ends."""
    handler.pass_on()
    time.sleep(2)
    handler.break_off()


@contextmanager
def bad_proxy(target: str) -> Iterator[BadProxy]:
    """A proxy on a free port of loopback, in front of `target`."""
    proxy = BadProxy(target)
    handler = type("Handler", (Handler,), {"proxy": proxy})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
