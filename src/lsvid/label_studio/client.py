"""The connection to Label Studio: address, key, and the two ways to talk to it.

The SDK makes changes. A `requests` session reads, and repeats a question when the server is busy or an answer breaks
off. No POST is repeated automatically (the SDK would retry every method), except the one that renews the token.
"""

import importlib.util
import io
import re
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from itertools import count
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from lsvid.errors import AuthError, LsvidError, ServerError, SettingsError, UnclearError
from lsvid.label_studio import releases
from lsvid.label_studio.failures import KEY_HINT, OLD_KEY_HINT, EndlessAnswer, json_content, translated

T = TypeVar("T")

_READ_STATUSES = (429, 502, 503, 504)
_CONNECT_TIMEOUT_S = 15
_TIMEOUT_S = 300
_READ_ATTEMPTS = 3
"""How often to ask if an answer breaks off halfway or does not come in time."""
_ACCESS_TOKEN_LIFE_S = 200
"""How long an access token is used: Label Studio's tokens live for five minutes."""

_LOGGING_IN = "logging in"

_ASK_AGAIN_S = (0.5, 1.0, 2.0)
_REFRESH = "api/token/refresh/"

_BROWSER_PATH = re.compile(r"/(projects|user|api|data|organization)(/.*)?$")


class _Access(msgspec.Struct):
    access: str


class _Version(msgspec.Struct):
    release: str


class Server:
    """A Label Studio that answered and accepted the key. `url` has no slash at its end; `release` may be empty."""

    def __init__(self, url: str, api_key: str) -> None:
        self.url = url
        self.release = ""
        self._api_key = api_key
        self._is_personal_token = api_key.count(".") == 2  # a JWT: header.payload.signature; legacy keys are hex
        self._access = ("", 0.0)
        self.session = open_session()
        self.session.mount(f"{url}/{_REFRESH}", _Adapter(max_retries=_retry("POST")))  # safe: creates nothing
        weakref.finalize(self, self.session.close)

    @cached_property
    def sdk(self) -> Any:  # noqa: ANN401 - the SDK's own class, which is imported late
        """The SDK's client, set up to repeat nothing. Importing it takes two seconds."""
        require_sdk()
        import httpx
        from label_studio_sdk import LabelStudio

        server = weakref.proxy(self)  # the SDK's client does not outlive it

        def sign(request: httpx.Request) -> httpx.Request:
            request.headers["Authorization"] = server.authorization()
            return request

        # The SDK does not get the key: it would ask for a new token only once, and take a busy proxy's page for one.
        with self.errors("connecting"):
            client = httpx.Client(timeout=_TIMEOUT_S, auth=sign, follow_redirects=False)
            weakref.finalize(self, client.close)
            return LabelStudio(base_url=self.url, api_key="signed by lsvid", max_retries=0, httpx_client=client)

    def renew(self) -> bool:
        """Forget the access token, so that the next request logs in again; returns whether that may help."""
        self._access = ("", 0.0)
        return self._is_personal_token

    def repeated(self, question: Callable[[], T]) -> T:
        """The result of `question`, which is asked again if no clear answer came. It must change nothing."""
        for wait_s in _ASK_AGAIN_S:
            try:
                return question()
            except UnclearError:
                time.sleep(wait_s)
        return question()

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn errors of the SDK, httpx and requests into lsvid's; `doing` names the work, for their messages."""
        try:
            yield
        except LsvidError as error:
            if self._shows_key(error):
                raise self._without_key(error) from None
            raise
        except Exception as error:
            known = translated(error, self.url, doing)
            if known is None:
                raise
            raise self._without_key(known) from None  # the SDK's errors carry headers and cookies in their text

    def _shows_key(self, error: LsvidError) -> bool:
        return any(key and key in error.message + error.hint for key in (self._api_key, self._access[0]))

    def _without_key(self, error: LsvidError) -> LsvidError:
        """The error without the key, which a server may repeat in its answer."""
        message, hint = error.message, error.hint
        for key in filter(None, (self._api_key, self._access[0])):
            message, hint = message.replace(key, "…"), hint.replace(key, "…")
        return type(error)(message, hint)

    def require_timeline(self, timeline: str | None) -> None:
        """Raise ServerError if the editor of this release cannot show `timeline`."""
        if timeline in ("waveform", "both") and releases.lacks_waveform(self.release):
            raise ServerError(
                f"the timeline {timeline} works from Label Studio 1.22 on, and {self.url} is {self.release}",
                f"use the timeline frames, or {releases.UPGRADE}",
            )

    def project_url(self, project_id: int) -> str:
        """The address of the project's Data Manager."""
        return f"{self.url}/projects/{project_id}/data"

    def get(
        self,
        path: str,
        doing: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        stream: bool = False,
        follow: bool = True,
    ) -> requests.Response:
        """The answer to GET `path`, with any status; without `follow` a redirect counts as an answer."""
        with self.errors(doing):
            for attempt in count(1):
                try:
                    response = self.session.get(
                        f"{self.url}/{path.lstrip('/')}",
                        params=params,
                        headers=headers,
                        auth=self._sign,
                        stream=stream,
                        allow_redirects=follow,
                        timeout=(_CONNECT_TIMEOUT_S, _TIMEOUT_S),
                    )
                except requests.exceptions.ChunkedEncodingError:  # broken off halfway, which Retry does not repeat
                    if attempt == _READ_ATTEMPTS:
                        raise
                else:
                    if not _is_same_place(self.url, response.url):
                        raise _sent_away(self.url, response.url)
                    if response.status_code != 401 or attempt == _READ_ATTEMPTS or not self.renew():
                        return response
        raise UnclearError(f"no answer came while {doing}")  # not reached: the last attempt returns or raises

    def get_json(self, path: str, doing: str, shape: type[T], params: Mapping[str, Any] | None = None) -> T:
        """The JSON answer to GET `path` as a `shape`. Raises ServerError for an error, or for any other answer."""
        with self.errors(doing):
            content = json_content(self.get(path, doing, params), self.url, doing)
            return msgspec.json.decode(content, type=shape)

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth`, not as a header: requests replaces a header by what ~/.netrc holds for the host.
        request.headers["Authorization"] = self.authorization()
        return request

    def authorization(self) -> str:
        """The value of the Authorization header. Logs in if needed. Raises ServerError, and errors of requests."""
        if not self._is_personal_token:
            return f"Token {self._api_key}"
        token, fetched_at = self._access
        if time.monotonic() - fetched_at > _ACCESS_TOKEN_LIFE_S or not token:
            response = self.session.post(
                f"{self.url}/{_REFRESH}",
                json={"refresh": self._api_key},
                allow_redirects=False,  # send the key only to the server that was named
                timeout=(_CONNECT_TIMEOUT_S, _CONNECT_TIMEOUT_S * 4),
            )
            if response.is_redirect:
                raise _sent_away(self.url, response.headers.get("Location", ""))
            if response.status_code == 404:
                raise AuthError(f"the server at {self.url} knows no personal access tokens", OLD_KEY_HINT)
            token = msgspec.json.decode(json_content(response, self.url, _LOGGING_IN), type=_Access).access
            self._access = (token, time.monotonic())
        return f"Bearer {token}"


# --- Answers that have an end -----------------------------------------------------------------------------------------


_LONGEST_WAIT_S = 20
"""How long a busy server may ask us to wait before the next attempt; if it asks for more, we use our own pause."""
_MAX_ANSWER_BYTES = 1 << 30
_SLOW_S, _SLOWEST_BYTES_S = 30, 1000
"""We give up an answer that after this many seconds has come more slowly than this many bytes a second."""


class _BoundedRetry(Retry):
    def get_retry_after(self, response: Any) -> float | None:  # noqa: ANN401 - urllib3's own
        """The seconds to wait; None, which means our own pause, if the server asks for hours, or for nonsense."""
        try:
            wait_s = super().get_retry_after(response)
        except (urllib3.exceptions.HTTPError, ValueError, OverflowError):
            return None
        return wait_s if wait_s is not None and wait_s <= _LONGEST_WAIT_S else None


class _Adapter(HTTPAdapter):
    """Reads each answer to its end, within limits of size and speed, unless it is streamed."""

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *args: Any, **options: Any  # noqa: ANN401
    ) -> requests.Response:  # fmt: skip
        response = super().send(request, stream, *args, **options)
        if not stream:
            response.raw = io.BytesIO(_whole(response))
        return response


def _whole(response: requests.Response) -> bytes:
    begun, size, parts = time.monotonic(), 0, []
    try:
        while part := response.raw.read1(1 << 16, decode_content=True):  # whatever has arrived
            size += len(part)
            passed_s = time.monotonic() - begun
            if size > _MAX_ANSWER_BYTES or (passed_s > _SLOW_S and size < passed_s * _SLOWEST_BYTES_S):
                response.close()
                raise EndlessAnswer("the answer does not end")
            parts.append(part)
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error, request=response.request) from error
    except urllib3.exceptions.DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error, request=response.request) from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error, request=response.request) from error
    return b"".join(parts)


def open_session() -> requests.Session:
    """A session that asks again if a server is busy, keeps no cookies, and stops reading an endless answer."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # only the key says who asks, not a cookie
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(max_retries=_retry("GET")))
    return session


def _retry(method: str) -> Retry:
    return _BoundedRetry(
        total=4,
        connect=1,
        read=_READ_ATTEMPTS - 1,
        other=0,  # such as a refused certificate
        backoff_factor=0.5,
        status_forcelist=_READ_STATUSES,
        allowed_methods=[method],
        raise_on_status=False,
    )


def require_sdk() -> None:
    """Raise SettingsError if Label Studio's SDK is not installed. Reading needs no SDK."""
    if importlib.util.find_spec("label_studio_sdk") is not None:
        return
    if sys.version_info >= (3, 14):
        raise SettingsError(
            f"to change a project lsvid needs Label Studio's SDK, which cannot be installed on Python "
            f"{sys.version_info[0]}.{sys.version_info[1]} yet",
            "use lsvid on Python 3.13 for it, in lsvid's folder: uv tool install --python 3.13 .",
        )
    raise SettingsError(
        "Label Studio's SDK is not installed here",
        "install lsvid again, in its folder: pip install --force-reinstall .",
    )


def connect(url: str, api_key: str | None, *, changes: bool = False) -> Server:
    """The Label Studio at `url`, after it has answered and accepted the key.

    changes: whether something will be changed, which needs the SDK. Raises SettingsError (no key, no address, no SDK),
    AuthError, and ServerError, also if the release is too old for correct work.
    """
    if changes:
        require_sdk()
    if not api_key or not api_key.strip():
        raise SettingsError(
            "no Label Studio access token: neither <<api_key>> nor LABEL_STUDIO_API_KEY is set",
            f"start a Label Studio of your own, which needs none: lsvid serve FOLDER; or, {KEY_HINT}",
        )
    if not api_key.strip().isascii() or re.search(r"\s", api_key.strip()):
        raise SettingsError("the Label Studio access token has characters that no token has", KEY_HINT)
    server = Server(clean_url(url), api_key.strip())
    with server.errors(_LOGGING_IN):
        version = server.session.get(f"{server.url}/api/version", timeout=_CONNECT_TIMEOUT_S * 2)
        if not _is_same_place(server.url, version.url):
            raise _sent_away(server.url, version.url)
        if redirected := _redirected(version):
            server.url = redirected
    server.release = _release(version)
    if refusal := releases.refusal(server.release):
        raise ServerError(f"{refusal} ({server.url})", releases.UPGRADE)
    server.get_json("api/current-user/whoami", _LOGGING_IN, dict)
    return server


def clean_url(url: str) -> str:
    """Label Studio's address from what a person typed: without a slash at the end, or a page of the web interface.

    Raises SettingsError if it is no http(s) address.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_valid = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        shown = text if "@" not in text else "the address given"
        raise SettingsError(
            f"{shown!r} is not the address of a Label Studio server",
            "give it with <<url>> or LABEL_STUDIO_URL, such as http://localhost:8080 or https://labels.example.org",
        )
    if parts.username or parts.password:
        raise SettingsError(
            "the address of Label Studio holds a user name or password", "leave them out: the access token is enough"
        )
    return f"{parts.scheme}://{parts.netloc}{_BROWSER_PATH.sub('', parts.path).rstrip('/')}"


def _release(version: requests.Response) -> str:
    """The release that the server names; empty if it names none, in which case the log-in will show what is wrong."""
    try:
        return msgspec.json.decode(version.content, type=_Version).release
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _redirected(response: requests.Response) -> str | None:
    """The address to which the server redirects (mostly https for http), or None. A redirect would lose a POST."""
    base, found, rest = response.url.partition("/api/version")
    return base if response.history and response.ok and found and not rest.strip("/") else None


def _is_same_place(named: str, found: str) -> bool:
    """Whether `found` is on the server that was `named`: its scheme, host and port, or https instead of http."""
    try:
        one, other = urlsplit(named), urlsplit(found)
        if one.hostname != other.hostname:
            return False
        is_raised = (one.scheme, other.scheme) == ("http", "https")
        return is_raised or (one.scheme, _port(one)) == (other.scheme, _port(other))
    except ValueError:
        return False


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _sent_away(url: str, elsewhere: str) -> ServerError:
    place = "/".join(elsewhere.split("/")[:3]) if "://" in elsewhere else "another address"
    return ServerError(
        f"{url} redirects to {place}; lsvid does not send the access token there",
        "if that is your Label Studio, name it: <<url>> or LABEL_STUDIO_URL",
    )
