"""Turns every error of Label Studio, its SDK, httpx and requests into one of lsvid's, in one place.

Messages quote what the server says about the request, never headers, cookies or the key. The texts of the server that
are recognised here are those of Label Studio 1.23.2.
"""

import json
from collections.abc import Callable

import msgspec
import requests
import urllib3

from lsvid.errors import AuthError, LsvidError, NotFoundError, ServerError, UnclearError

KEY_HINT = "in Label Studio, open Account & Settings > Personal Access Token, create one, and set LABEL_STUDIO_API_KEY"

DOWN_HINT = "is it running? lsvid serve FOLDER starts your own; or check the address in <<url>> or LABEL_STUDIO_URL"

OLD_KEY_HINT = (
    "before release 1.17 it is the Access Token of Account & Settings; else check the address, and whether a proxy "
    "stands in front of Label Studio"
)


class EndlessAnswer(requests.exceptions.RequestException):
    """The answer is too long, or comes too slowly, to be read to its end."""


def json_content(response: requests.Response, url: str, doing: str) -> bytes:
    """The JSON text of `response`. Raises ServerError if it is an error, or not JSON."""
    body = response.content
    if not response.ok:
        error = status_error(response.status_code, _decoded(body), url, doing)
        wait = response.headers.get("Retry-After")
        if wait and response.status_code in (429, 503):
            raise type(error)(f"{error.message}; it asks us to wait (Retry-After: {wait[:40]})", error.hint)
        raise error
    if body.lstrip()[:1] not in (b"{", b"["):
        raise not_label_studio(url, doing)
    return body


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body[:10_000].decode(errors="replace")


def status_error(status: int, body: object, url: str, doing: str) -> ServerError:
    """The error for an answer with the HTTP error `status` and `body` (decoded JSON, or text)."""
    said = server_text(body)
    if status in (401, 403):
        return _refused_key(status, said, url, doing)
    if status == 404 and isinstance(body, dict):
        return NotFoundError(f"Label Studio at {url} found nothing while {doing}: {said}", "check the id or title")
    if status == 413:
        return ServerError(
            f"the server at {url} refused while {doing}: the request is too large (413)",
            "raise the limit of the proxy in front of Label Studio (nginx: client_max_body_size)",
        )
    if status == 429 or status >= 500:
        return UnclearError(
            f"Label Studio at {url} failed while {doing}: status {status}" + (f", {said}" if said else ""),
            "run the same command again in a while: it goes on where it stopped"
            + ("; if it stays, the server's log says why" if status == 500 else ""),
        )
    if status == 404 or (isinstance(body, str) and "<" in body):
        return not_label_studio(url, doing, status)
    return ServerError(f"Label Studio refused while {doing}: {said or f'status {status}'}", "")


def _refused_key(status: int, said: str, url: str, doing: str) -> AuthError:
    if "legacy token" in said:
        return AuthError(
            f"Label Studio at {url} does not take legacy tokens: {said}",
            f"{KEY_HINT}; or have an administrator allow legacy tokens for the organization",
        )
    if status == 401 or "credentials" in said:
        return AuthError(f"Label Studio at {url} does not take the access token: {said or 'unauthorized'}", KEY_HINT)
    return AuthError(
        f"Label Studio refused while {doing}: {said or 'forbidden'}",
        "the owner of the access token may not do this: use the token of somebody who may",
    )


def server_text(body: object) -> str:
    """The server's message in the body of an error, as one text; empty for a web page."""
    if isinstance(body, dict):
        faults = body.get("validation_errors")
        if isinstance(faults, dict) and faults:
            return "\n".join(_fault_text(name, fault) for name, fault in faults.items())
        if faults:
            return _fault_text("", faults)
        if isinstance(body.get("detail"), str):
            return str(body["detail"])[:1000]
        return "\n".join(_fault_text(name, fault) for name, fault in body.items())[:1000]
    if isinstance(body, list):
        return "\n".join(str(entry) for entry in body)[:1000]
    text = str(body or "").strip()
    return "" if "<" in text else text[:1000]


def _fault_text(name: str, fault: object) -> str:
    text = "\n".join(str(entry) for entry in fault) if isinstance(fault, list) else str(fault)
    return text if name in ("", "non_field_errors", "detail") else f"{name}: {text}"


def not_label_studio(url: str, doing: str, status: int = 200) -> ServerError:
    """The error for an answer that does not come from a Label Studio."""
    return ServerError(
        f"{url} answered with a web page instead of data (status {status}) while {doing}",
        "check the address (scheme, port, path) given by <<url>> or LABEL_STUDIO_URL, and whether a proxy or a login "
        "page stands in front of Label Studio",
    )


def same_page_again(url: str, doing: str) -> ServerError:
    """The error for a list whose next page is the same as the one before."""
    return ServerError(
        f"Label Studio at {url} gives the same page again and again while {doing}",
        "a proxy in front of it may drop the part of an address after '?': let the proxy keep it",
    )


def _unreachable(url: str, reason: str) -> ServerError:
    if "WRONG_VERSION_NUMBER" in reason or "wrong version number" in reason:
        return ServerError(
            f"cannot reach Label Studio at {url}: it does not speak https there",
            f"try http: <<url=http://{url.partition('://')[2]}>>",
        )
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return ServerError(
            f"cannot reach Label Studio at {url}: its certificate is not trusted",
            "for a certificate of your own, set both SSL_CERT_FILE and REQUESTS_CA_BUNDLE to the file of its authority",
        )
    known = [text for text in ("Connection refused", "Name or service not known", "timed out") if text in reason]
    return ServerError(
        f"cannot reach Label Studio at {url}" + (f": {known[0]}" if known else ""),
        DOWN_HINT,
    )


def _no_address(url: str) -> ServerError:
    return ServerError(
        f"cannot reach Label Studio at {url}: this address, or one that it leads to, is not possible",
        "check the address given by <<url>> or LABEL_STUDIO_URL",
    )


def _unclear(url: str, doing: str, what: str) -> UnclearError:
    return UnclearError(
        f"{what} by Label Studio at {url} while {doing}",
        "check that it is running, then run the same command again: it goes on where it stopped",
    )


def translated(error: Exception, url: str, doing: str) -> LsvidError | None:
    """The error of lsvid for one of the SDK, httpx or requests; None for a bug in lsvid itself."""
    if isinstance(error, requests.exceptions.RequestException):
        return _translated_requests(error, url, doing)
    return _translated_plain(error, url, doing) or _translated_sdk(error, url, doing)


def _translated_plain(error: Exception, url: str, doing: str) -> LsvidError | None:
    """The error of lsvid for what Python itself raises in these libraries, for odd answers, addresses and files."""
    if isinstance(error, (msgspec.DecodeError, json.JSONDecodeError, UnicodeDecodeError, RecursionError)):
        return not_label_studio(url, doing)
    if isinstance(error, (urllib3.exceptions.HTTPError, UnicodeError)) or "Invalid IPv6 URL" in str(error):
        return _no_address(url)
    if isinstance(error, OSError):  # a file of certificates is missing
        return ServerError(
            f"cannot reach Label Studio at {url}: {error}", "check REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE"
        )
    return None


def _translated_sdk(error: Exception, url: str, doing: str) -> LsvidError | None:
    try:
        import httpx
        import pydantic
        from label_studio_sdk.core.api_error import ApiError
    except ImportError:  # the SDK is not available on every Python; without it none of its errors is raised
        return None

    if isinstance(error, ApiError):
        return _api_error(error.status_code, error.body, url, doing)
    kinds: list[tuple[type[Exception], Callable[[], ServerError]]] = [  # the first that fits is taken
        (httpx.ConnectError, lambda: _unreachable(url, str(error))),
        (httpx.ConnectTimeout, lambda: _unreachable(url, "timed out")),
        (httpx.TimeoutException, lambda: _unclear(url, doing, "no answer in time")),
        (httpx.TransportError, lambda: _unclear(url, doing, "the connection was broken")),
        (httpx.HTTPError, lambda: not_label_studio(url, doing)),
        (httpx.InvalidURL, lambda: _no_address(url)),
        (pydantic.ValidationError, lambda: not_label_studio(url, doing)),
    ]
    return next((make() for kind, make in kinds if isinstance(error, kind)), None)


def _api_error(status: int | None, body: object, url: str, doing: str) -> ServerError:
    if status is None:  # the SDK raised it before it sent anything
        return AuthError(f"the access token does not work: {server_text(body)}", KEY_HINT)
    return not_label_studio(url, doing, status) if status < 400 else status_error(status, body, url, doing)


def _translated_requests(error: requests.exceptions.RequestException, url: str, doing: str) -> LsvidError:
    # Errors of proxies and of Retry hold their cause only as text, such as "connection refused".
    reason = str(error)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return _unreachable(url, "timed out")
    if isinstance(error, requests.exceptions.Timeout):
        return _unclear(url, doing, "no answer in time")
    if isinstance(error, requests.exceptions.InvalidURL):
        return _no_address(url)
    if isinstance(error, (EndlessAnswer, requests.exceptions.TooManyRedirects)):
        return ServerError(
            f"Label Studio at {url} gives no answer that ends while {doing}",
            "check whether a proxy stands in front of it, and the server's log",
        )
    if isinstance(error, requests.exceptions.ConnectionError) and "Connection aborted" not in reason:
        return _unreachable(url, reason)
    return _unclear(url, doing, "the connection was broken")
