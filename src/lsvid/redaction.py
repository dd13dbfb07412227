"""Removes secrets from addresses, such as the signature of a presigned address. They are never shown or written.

This is the only place that does so. Anybody with a presigned address can read its video, for days, and exports of Label
Studio hold many of them.
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
_NAMES_THE_FILE = ("d", "fileuri")  # Label Studio's names for a file that it serves, and for an S3 object


def redacted(text: str) -> str:
    """`text` with users, passwords, and queries that may give access removed from its addresses."""
    return _ADDRESS.sub(lambda match: _public(match, strict=False), text) if "://" in text else text


def public_address(media: str) -> str:
    """The address of a clip without secrets: only the part of its query that names the file stays."""
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
