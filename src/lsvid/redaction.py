"""What is never shown or written: what an address carries beside the place, such as the signature that opens it.

The one place that takes secrets out of addresses. Whoever holds a presigned address can read the video behind it, for
days; and exports of Label Studio are full of them.
"""

import re

_ADDRESS = re.compile(
    r"(?P<scheme>\bhttps?://)(?P<place>[^\s\"'<>?#]*)(?:\?(?P<query>[^\s\"'<>#]*))?(?P<rest>#[^\s\"'<>]*)?",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"sig|token|cred|secret|passw|pwd|key|auth|policy|x-amz|x-goog|hmac|jwt|session|^code$|^se$|^sp$|^sv$",
    re.IGNORECASE,
)
_NAMES_THE_FILE = ("d", "fileuri")  # Label Studio's own: of a file it serves, of an object it resolves


def redacted(text: str) -> str:
    """`text`, in which no address holds a user, a password, or a query that opens what is not public."""
    return _ADDRESS.sub(lambda match: _public(match, strict=False), text) if "://" in text else text


def public_address(media: str) -> str:
    """What names a clip, without anything that only opens it: of a query what names the file stays, and no more."""
    return _ADDRESS.sub(lambda match: _public(match, strict=True), media) if "://" in media else media


def _public(match: re.Match[str], *, strict: bool) -> str:
    host, slash, path = match["place"].partition("/")
    address = match["scheme"] + host.rpartition("@")[2] + slash + path
    parameters = [part for part in (match["query"] or "").split("&") if part]
    names = [part.partition("=")[0] for part in parameters]
    if strict or any(_SECRET.search(name) for name in names):
        parameters = [part for part, name in zip(parameters, names, strict=True) if name in _NAMES_THE_FILE]
    query = "?" + "&".join(parameters) if parameters else ""
    return address + query + (match["rest"] or "")
