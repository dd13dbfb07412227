"""Firefox itself, by WebDriver BiDi, which it speaks without a driver: where its player differs from Chromium's."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tornado.websocket import WebSocketClientConnection, websocket_connect

from lsvid.label_studio.serve import free_port, port_is_taken

_TIMEOUT_S = 120


class Firefox:
    """One page of a headless Firefox."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._socket: WebSocketClientConnection = self._loop.run_until_complete(
            self._connected(f"ws://127.0.0.1:{port}/session")
        )
        self._number = 0
        self.ask("session.new", capabilities={})
        self._page = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def open(self, url: str) -> None:
        """Go to `url`, and wait until it is loaded."""
        self.ask("browsingContext.navigate", context=self._page, url=url, wait="complete")

    def run(self, expression: str) -> Any:
        """What the JavaScript expression, a text, number, truth value or nothing, is on the page."""
        answer = self.ask("script.evaluate", expression=expression, target={"context": self._page}, awaitPromise=True)
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The value of `expression` once it is true."""
        deadline = time.monotonic() + _TIMEOUT_S
        while not (value := self.run(expression)):
            assert time.monotonic() < deadline, f"not within {_TIMEOUT_S} s: {expression}"
            time.sleep(0.3)
        return value

    def screenshot(self, path: Path) -> None:
        """Keep what is to be seen."""
        import base64

        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(self.ask("browsingContext.captureScreenshot", context=self._page)["data"]))

    def ask(self, method: str, **parameters: Any) -> Any:
        """The browser's answer to a command of WebDriver BiDi."""
        return self._loop.run_until_complete(asyncio.wait_for(self._answer(method, parameters), _TIMEOUT_S))

    async def _answer(self, method: str, parameters: dict[str, Any]) -> Any:
        self._number += 1
        await self._socket.write_message(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            text = await self._socket.read_message()
            assert text is not None, "Firefox has gone"
            message = json.loads(text)
            if message.get("id") == self._number:
                assert message["type"] == "success", message
                return message["result"]

    @staticmethod
    async def _connected(url: str) -> WebSocketClientConnection:
        return await websocket_connect(url, max_message_size=1 << 28)


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """A Firefox with a fresh profile in the folder `profile`."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    assert program is not None, "Firefox is not installed: run scripts/test, which installs it"
    profile.mkdir()
    port = free_port()
    command = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", str(port)]
    environment = {**os.environ, "HOME": str(profile), "MOZ_DISABLE_CONTENT_SANDBOX": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
    )
    try:
        deadline = time.monotonic() + _TIMEOUT_S
        while not port_is_taken(port):
            assert process.poll() is None, "Firefox ended"
            assert time.monotonic() < deadline, "Firefox does not start"
            time.sleep(0.2)
        with Firefox(port) as browser:
            yield browser
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
