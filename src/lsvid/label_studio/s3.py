"""Clips in S3: the storages of a project there, and whether a clip from them reaches an annotator's browser.

Facts of Label Studio 1.23.2, measured: the first storage of a URI's bucket serves it, whatever the prefix; with presign
the server redirects to the signed address (303), without it the server passes the bytes on itself (206); the server
never returns secrets.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec
import requests

from lsvid.errors import AuthError, DataError, NotFoundError, ServerError, SettingsError
from lsvid.files import storage
from lsvid.files.paths import SCHEME, folder_uri, split_uri
from lsvid.label_studio.client import Server
from lsvid.video.clips import VIDEO_SUFFIXES

PRESIGN_MINUTES = 480
"""How long a presigned address works by default: a working day. (Label Studio's own default is 1.)"""

_TIMEOUT_S = 60


@dataclass(frozen=True)
class S3Storage:
    """A prefix in S3 from which a project serves clips. `uri` ends with a slash; `id` is None until it is connected."""

    uri: str
    presign: bool = True
    presign_minutes: int = PRESIGN_MINUTES
    id: int | None = None

    read_whole: ClassVar[bool] = False

    @property
    def path(self) -> str:
        """Its URI, which identifies it as the path does a folder."""
        return self.uri

    @property
    def local(self) -> str:
        """Its URI, which is the same on every machine."""
        return self.uri

    def on_server(self, path: str) -> str | None:
        """The URI of the object at `path`, or None if it does not lie in the storage."""
        return path if path.startswith(self.uri) else None


class _Answer(msgspec.Struct):
    id: int
    bucket: str | None = None
    prefix: str | None = None
    presign: bool = True
    presign_ttl: int = 1


def parse_s3_storage(text: str, *, presign: bool = True, minutes: int = PRESIGN_MINUTES) -> S3Storage:
    """The storage that `s3://BUCKET/PREFIX` names. Raises SettingsError."""
    split_uri(text)
    if not 1 <= minutes <= 7 * 24 * 60:
        raise SettingsError(
            f"<<presign_minutes={minutes}>>: S3 signs for at most a week", "give 1 to 10080; a working day is 480"
        )
    return S3Storage(folder_uri(text), presign, minutes)


def s3_storages(server: Server, project_id: int) -> list[S3Storage]:
    """The S3 storages of a project, in the order in which they were made."""
    answers = server.get_json(
        "api/storages/s3/", "listing the project's storages", list[_Answer], {"project": project_id}
    )
    found = []
    for answer in sorted(answers, key=lambda answer: answer.id):
        prefix = (answer.prefix or "").rstrip("/")
        uri = folder_uri(f"{SCHEME}{answer.bucket}/{prefix}" if prefix else f"{SCHEME}{answer.bucket}")
        found.append(S3Storage(uri, answer.presign, answer.presign_ttl, answer.id))
    return found


def first_clip(uri: str) -> tuple[str, int]:
    """URI and size in bytes of the first video below the prefix `uri`, as a sample.

    Raises AuthError, NotFoundError, ServerError, and DataError if there is none among its first 10,000 objects.
    """
    for found, stat in storage.list_objects(uri, limit=10_000):
        if found.lower().endswith(tuple(VIDEO_SUFFIXES)):
            return found, stat.size
    raise DataError(f"{uri} holds no video", "upload the clips first, or check the prefix: upper and lower case differ")


# --- Connecting -------------------------------------------------------------------------------------------------------


def connect_s3(server: Server, project_id: int, wanted: S3Storage) -> None:
    """Let the project serve objects below `wanted`, or bring its storage (`wanted.id`) up to date.

    The server gets the credentials of this process. The storage is never synchronised, since that would make tasks. It
    is read back: raises ServerError if the server does not accept it, or has kept other values.
    """
    client = server.sdk.import_storage.s3
    settings = _sent(project_id, wanted)
    try:
        with server.errors(f"connecting the storage {wanted.uri}"):
            if wanted.id is None:
                made = client.create(title=wanted.uri[:256], **settings)
            else:
                made = client.update(id=wanted.id, **settings)
    except ServerError as error:
        raise storage_error(error, wanted) from error
    kept = next((one for one in s3_storages(server, project_id) if one.id == made.id), None)
    if kept != replace(wanted, id=made.id):
        raise ServerError(
            f"Label Studio did not keep the storage {wanted.uri} as it was sent: it has {kept}",
            "see the project's settings, Cloud Storage",
        )


def check_s3(server: Server, project_id: int | None, wanted: S3Storage) -> None:
    """Raise ServerError, with what to repair, if the server would not accept `wanted`. Changes nothing."""
    try:
        with server.errors(f"checking the storage {wanted.uri}"):
            server.sdk.import_storage.s3.validate(**_sent(project_id, wanted))
    except ServerError as error:
        raise storage_error(error, wanted) from error


def _sent(project_id: int | None, wanted: S3Storage) -> dict[str, Any]:
    keys = storage.credentials()
    bucket, prefix = split_uri(wanted.uri)
    optional = {
        "prefix": prefix, "s3endpoint": storage.endpoint(), "region_name": storage.region(),
        "aws_session_token": keys.token,
    }  # fmt: skip
    return {
        "project": project_id,
        "bucket": bucket,
        "aws_access_key_id": keys.key,
        "aws_secret_access_key": keys.secret,
        "presign": wanted.presign,
        "presign_ttl": wanted.presign_minutes,
        "use_blob_urls": True,
        "recursive_scan": True,
        "request_options": {"max_retries": 0},
        **{name: value for name, value in optional.items() if value},
    }


def storage_error(error: ServerError, wanted: S3Storage) -> ServerError:
    """`error`, with what to repair if the server's text is a known one (1.23.2)."""
    said = error.message
    if "reserved network address" in said or "local URL" in said:
        return ServerError(
            f"Label Studio refuses the S3 service at {storage.endpoint()}: its address is a private one",
            "start Label Studio with SSRF_PROTECTION_ENABLED=false, or with USE_DEFAULT_BANNED_SUBNETS=false and "
            "USER_ADDITIONAL_BANNED_SUBNETS for the networks it must not reach",
        )
    if "Debugging info is not available" in said or "Cannot connect to S3" in said or "Cannot find bucket" in said:
        return ServerError(
            f"Label Studio cannot reach {wanted.uri}, which this machine can",
            "the server needs the same network and the same address for the service; in a container, localhost is "
            "another machine",
        )
    if "not found" in said and not isinstance(error, NotFoundError):
        return ServerError(f"Label Studio finds nothing below {wanted.uri}", "upload the clips first")
    return error


# --- Whether a clip reaches the browser -------------------------------------------------------------------------------


def origin(server: Server) -> str:
    """The origin of the server's pages, as browsers name it: scheme, host and port."""
    parts = urlsplit(server.url)
    return f"{parts.scheme}://{parts.netloc}"


def check_resolved(server: Server, project_id: int, uri: str, size: int) -> str | None:
    """Ask the project for the first bytes of the clip at `uri`, as a browser does.

    Returns why a browser still could not play it (CORS), or None. size: of the object, in bytes. Raises ServerError
    unless the bytes come.
    """
    coded = base64.urlsafe_b64encode(uri.encode()).decode()
    response = server.get(
        f"projects/{project_id}/resolve/",
        "asking for a clip",
        params={"fileuri": coded},
        headers={"Range": "bytes=0-1"},
        stream=True,
        follow=False,
    )
    response.close()
    if response.status_code == 303:
        return _check_presigned(response.headers["Location"], uri, size, origin(server))
    if response.status_code != 206:
        hints = {
            404: f"connect its bucket: lsvid setup-project LABELS --project {project_id} --storage s3://BUCKET/PREFIX",
            424: "the server's credentials for the bucket, or its way to the service, do not work: connect the storage "
            f"again with lsvid setup-project LABELS --project {project_id} --storage s3://BUCKET/PREFIX",
        }
        raise ServerError(
            f"Label Studio does not give out {uri}: status {response.status_code}",
            hints.get(response.status_code, "see the server's log"),
        )
    _check_size(response, uri, size)
    return None


def check_cors(uri: str, page: str) -> str | None:
    """Why a page of the origin `page` cannot play the object at `uri` directly from S3, or None.

    Raises ServerError if its bytes do not come.
    """
    return _check_presigned(storage.presigned_url(uri, 60), uri, None, page)


def _check_presigned(url: str, uri: str, size: int | None, page: str) -> str | None:
    try:
        response = requests.get(url, headers={"Range": "bytes=0-1", "Origin": page}, stream=True, timeout=_TIMEOUT_S)
        response.close()
    except requests.RequestException as error:
        raise ServerError(
            f"the presigned address of {uri} cannot be reached from this machine: {type(error).__name__}",
            "browsers need the same address of the S3 service as Label Studio; or serve it with <<presign=False>>",
        ) from None  # its text holds the signed address
    if response.status_code == 403:
        raise AuthError(
            f"S3 refuses the presigned address of {uri} (403)",
            "the credentials that Label Studio has need s3:GetObject; connect the storage again with others, and check "
            "the clocks of both machines",
        )
    if response.status_code != 206:
        raise ServerError(
            f"S3 answers the presigned address of {uri} with status {response.status_code}, not 206: players "
            "cannot seek",
            "let the service, or the proxy in front of it, answer requests with the header Range",
        )
    if size is not None:
        _check_size(response, uri, size)
    if response.headers.get("Access-Control-Allow-Origin") not in ("*", page):
        return f"the bucket of {uri} does not allow pages of {page} to read it (CORS): the clip will not play"
    return None


def _check_size(response: requests.Response, uri: str, size: int) -> None:
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    if total.isdecimal() and int(total) != size:
        raise ServerError(
            f"Label Studio has another object at {uri}: {total} bytes, here {size}",
            "give both the same S3 service: <<endpoint>>",
        )


def cors_hint(server: Server, bucket_uri: str) -> str:
    """How to let the server's pages read the bucket."""
    bucket, _ = split_uri(bucket_uri)
    document = json.dumps(storage.cors_document(origin(server)))
    return (
        f"aws s3api put-bucket-cors --bucket {bucket} --cors-configuration '{document}'; or serve it through Label "
        "Studio: lsvid setup-project LABELS --project ID --storage … --no-presign"
    )


def storage_of(uri: str, storages: Sequence[S3Storage]) -> S3Storage | None:
    """The storage whose prefix holds the object at `uri`, or None."""
    return next((one for one in storages if one.on_server(uri)), None)
