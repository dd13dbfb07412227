"""Files on this machine and objects in S3 behind one small interface: list, stat, read at any place, write whole.

The name of an object is `s3://BUCKET/KEY`; nothing in the key is quoted. boto3's ordinary chain (variables AWS_…,
profiles, instance roles) gives credentials and region. No message holds a key, a secret or a signed address.
"""

import base64
import contextlib
import hashlib
import io
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

from lsvid.errors import AuthError, ClipError, LsvidError, NotFoundError, ServerError, SettingsError
from lsvid.files.names import path_part
from lsvid.files.paths import SCHEME, folder_uri, is_folder, is_s3, resolved, split_uri
from lsvid.files.unfinished import unfinished_folder

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 256 << 10
"""Bytes in one ranged GET: the frame index of a 90 MB clip takes three of them (measured; 64 kB blocks: eight)."""
_BLOCKS_KEPT = 16

_CREDENTIALS_HINT = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or name other variables with <<key_env>> and "
    "<<secret_env>>"
)


def configure_s3(
    endpoint: str | None = None, region: str | None = None, key_env: str | None = None, secret_env: str | None = None
) -> None:
    """Set boto3's own variables to the given values, for this process and those that it starts. None leaves one
    unchanged.

    key_env, secret_env: the names of the variables that hold an access key and its secret. Raises SettingsError.
    """
    if endpoint is not None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise SettingsError(
                "<<endpoint>> is not the address of an S3 service", "such as <<endpoint=https://s3.example.org:9000>>"
            )
        os.environ["AWS_ENDPOINT_URL_S3"] = endpoint
    if region is not None:
        os.environ["AWS_DEFAULT_REGION"] = region
    if (key_env is None) != (secret_env is None):
        raise SettingsError("<<key_env>> and <<secret_env>> go together", "name both variables, or neither")
    if key_env is not None and secret_env is not None:
        for name in (key_env, secret_env):
            if not os.environ.get(name):
                raise SettingsError(
                    f"the environment variable {name} is not set", "set it to an access key of S3, or to its secret"
                )
        os.environ["AWS_ACCESS_KEY_ID"] = os.environ[key_env]
        os.environ["AWS_SECRET_ACCESS_KEY"] = os.environ[secret_env]
        os.environ.pop("AWS_SESSION_TOKEN", None)  # it belongs to another key


_NOT_SECRET = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION")
_own: dict[str, str | None] = {}


def s3_settings() -> dict[str, str | None]:
    """The address and region of S3, for processes on other machines. They are not secret."""
    return {name: os.environ.get(name) for name in _NOT_SECRET}


def follow_s3_settings(settings: Mapping[str, str | None]) -> None:
    """Use the `s3_settings` of another process. Settings that it leaves open return to their values from the start of
    this process.
    """
    for name in _NOT_SECRET:
        own = _own.setdefault(name, os.environ.get(name))
        value = settings.get(name) or own
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@dataclass(frozen=True)
class Stat:
    """size: in bytes. signature: changes when the content does (modification time, or the object's ETag)."""

    size: int
    signature: str


@dataclass(frozen=True)
class Credentials:
    """The credentials with which Label Studio signs requests itself. Never show them."""

    key: str
    secret: str
    token: str | None

    def __repr__(self) -> str:
        return "Credentials(…)"


# --- Reading ----------------------------------------------------------------------------------------------------------


def list_objects(folder: str, limit: int | None = None, *, in_folders: bool = True) -> Iterator[tuple[str, Stat]]:
    """URI and Stat of every object below the folder `s3://BUCKET/PREFIX`, in the order of their keys.

    Without `in_folders`: only those directly in the folder.

    S3 gives 1,000 objects at a time, so this asks page by page. Placeholders of folders are left out. Raises AuthError,
    NotFoundError, ServerError.
    """
    bucket, prefix = split_uri(folder_uri(folder))
    doing = f"listing {folder}"
    with s3_errors(doing):
        pages = client().get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, PaginationConfig={"MaxItems": limit} if limit else {},
            **({} if in_folders else {"Delimiter": "/"}),
        )  # fmt: skip
        for page in pages:
            for entry in page.get("Contents", ()):
                if not entry["Key"].endswith("/"):
                    yield f"{SCHEME}{bucket}/{entry['Key']}", Stat(entry["Size"], _signature(entry))


def files_below(root: str, suffixes: Collection[str]) -> Iterator[str]:
    """The file at `root`, as an absolute path; for a folder or a prefix in S3, all files below it with `suffixes`.

    Names that begin with a dot are left out, of files and of folders. Raises ServerError and those of `list_objects`.
    """
    if not is_s3(root):
        if not is_folder(root):
            yield resolved(root)
            return
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                    yield resolved(name, Path(folder))
    elif not root.endswith("/") and PurePosixPath(root).suffix.lower() in suffixes and exists(root):
        yield root
    else:
        for uri, _ in list_objects(root):
            below = PurePosixPath(uri.removeprefix(folder_uri(root)))
            if below.suffix.lower() in suffixes and not any(part.startswith(".") for part in below.parts):
                yield uri


def stat(path: str) -> Stat:
    """Size and signature of the file or object at `path`. Raises ClipError if it does not exist; ServerError."""
    if not is_s3(path):
        try:
            found = Path(path).stat()
        except OSError as error:
            raise ClipError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
        except ValueError as error:  # a NUL
            raise ClipError(f"{path!r} is not a path: {error}", "correct the path") from error
        return Stat(found.st_size, str(found.st_mtime_ns))
    bucket, key = _object(path)
    with s3_errors(f"reading {path}", path):
        try:
            answer = client().head_object(Bucket=bucket, Key=key)
        except _client_error():  # the answer to HEAD has no body, so it does not say why
            answer = client().get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
            answer["Body"].close()
            answer["ContentLength"] = int(answer["ContentRange"].rpartition("/")[2])
        return Stat(answer["ContentLength"], _signature(answer))


def _signature(answer: Mapping[str, Any]) -> str:
    """The signature of an object: its ETag; or the time of its last change, if the service gives no ETag."""
    return str(answer.get("ETag") or answer.get("LastModified") or "")


def exists(path: str) -> bool:
    """Whether there is a file or object at `path`. Raises ServerError."""
    try:
        stat(path)
    except ClipError:
        return False
    return True


Ranges = list[tuple[int, int]]
"""Ranges of bytes [start, stop) in a file."""


def open_media(
    path: str, known: Stat | None = None, unneeded: "Callable[[S3File], Ranges] | None" = None
) -> "str | S3File":
    """The argument for PyAV to open the video at `path`: the path itself, or a seekable file that uses ranged GETs.

    known: its `stat`, if the caller has it. unneeded: finds the parts of the file that will not be needed, and that are
    not fetched.
    """
    if not is_s3(path):
        return path
    file = S3File(path, known or stat(path))
    file.hollow = unneeded(file) if unneeded else []
    return file


def open_file(path: str) -> "BinaryIO | S3File":
    """The file or object at `path`, open for reading in any order. Raises OSError, ClipError, ServerError."""
    return S3File(path, stat(path)) if is_s3(path) else open(path, "rb")  # noqa: PTH123 - as given; the caller's


@contextlib.contextmanager
def local_file(path: str, folder: Path) -> Iterator[str]:
    """A file with the content of `path`: itself, or for an object a copy in `folder`, which is removed afterwards."""
    if not is_s3(path):
        yield path
        return
    bucket, key = _object(path)
    with unfinished_folder(folder) as temporary:
        copy = temporary / path_part("clip" + PurePosixPath(key).suffix)
        with s3_errors(f"reading {path}", path):
            client().download_file(bucket, key, str(copy))
        yield str(copy)


class S3File(io.RawIOBase):
    """An object in S3 as a seekable binary file. It reads whole blocks by ranged GETs, and keeps the last few of them.

    Raises ClipError while reading, if the object has changed since `known` was read.
    """

    def __init__(self, uri: str, known: Stat) -> None:
        super().__init__()
        self._uri = uri
        self._bucket, self._key = _object(uri)
        self._known = known
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.hollow: Ranges = []
        """Parts that are not needed: they are read as zeros and not fetched."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._known.size}[whence]
        if start + offset < 0:
            raise ValueError(f"seek to {start + offset}, before the beginning")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        done = 0
        while done < len(view) and self._position < self._known.size:
            wanted = len(view) - done
            part = self._zeros(wanted) or self._bytes(wanted)
            view[done : done + len(part)] = part
            done += len(part)
            self._position += len(part)
        return done

    def _zeros(self, wanted: int) -> bytes:
        here = self._position
        stop = next((stop for start, stop in self.hollow if start <= here < stop), here)
        return bytes(min(wanted, stop - here))

    def _bytes(self, wanted: int) -> bytes:
        number, start = divmod(self._position, BLOCK)
        return self._block(number)[start : start + wanted]

    def _block(self, number: int) -> bytes:
        block = self._blocks.get(number)
        if block is None:
            first, last = number * BLOCK, min(self._known.size, (number + 1) * BLOCK) - 1
            with s3_errors(f"reading {self._uri}", self._uri):
                tag = self._known.signature
                answer = client().get_object(
                    Bucket=self._bucket, Key=self._key, Range=f"bytes={first}-{last}",
                    **({"IfMatch": tag} if tag and " " not in tag else {}),  # a time is not a tag
                )  # fmt: skip
                block = answer["Body"].read()
            if len(block) != last - first + 1:
                raise ServerError(
                    f"S3 does not give out parts of {self._uri}: {len(block)} bytes for a range of {last - first + 1}",
                    "let the service, or the proxy in front of it, answer requests with the header Range",
                )
            self._blocks[number] = block
            if len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(number)
        return block


def read_bytes(uri: str) -> bytes | None:
    """The content of a small object; None if there is no such object. Raises ServerError."""
    bucket, key = _object(uri)
    try:
        with s3_errors(f"reading {uri}", uri):
            return bytes(client().get_object(Bucket=bucket, Key=key)["Body"].read())
    except ClipError:
        return None


def read_start(uri: str, length: int) -> bytes | None:
    """The first bytes of an object, or all of a shorter one; None if there is no such object. Raises ServerError."""
    try:
        with S3File(uri, stat(uri)) as file:
            return file.read(length)
    except ClipError:
        return None


# --- Writing ----------------------------------------------------------------------------------------------------------


def upload(file: Path, uri: str) -> None:
    """Upload `file` to `uri`. The object appears whole or not at all. Raises ServerError."""
    bucket, key = _object(uri)
    if file.stat().st_size <= _IN_ONE_PIECE:
        write_bytes(file.read_bytes(), uri)
        return
    with s3_errors(f"writing {uri}"):
        client().upload_file(str(file), bucket, key)  # in parts, which become an object once all are there


_IN_ONE_PIECE = 8_000_000
"""Bytes. Below boto3's own limit for uploads in parts."""


def write_bytes(content: bytes, uri: str) -> None:
    """Upload a small object to `uri`. It appears whole or not at all. Raises ServerError."""
    bucket, key = _object(uri)
    # Without a checksum, SeaweedFS 4.48 stores an empty object, also in place of an older one, if the connection breaks
    # before the first byte.
    digest = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    with s3_errors(f"writing {uri}"):
        client().put_object(Bucket=bucket, Key=key, Body=content, ContentMD5=digest)


def remove(uri: str) -> None:
    """Remove the object at `uri`. A missing object is no error. Raises ServerError."""
    bucket, key = _object(uri)
    with s3_errors(f"removing {uri}"):
        client().delete_object(Bucket=bucket, Key=key)


# --- What Label Studio and browsers need ------------------------------------------------------------------------------


def credentials() -> Credentials:
    """The credentials with which this process signs. Raises AuthError if there are none."""
    with s3_errors("looking for credentials"):
        found = _session().get_credentials()
        if found is None:
            raise AuthError("no credentials for S3 were found", _CREDENTIALS_HINT)
        frozen = found.get_frozen_credentials()
    return Credentials(frozen.access_key, frozen.secret_key, frozen.token)


def presigned_url(uri: str, seconds: int) -> str:
    """An address at which anybody can read the object for this time. Never show it."""
    bucket, key = _object(uri)
    with s3_errors(f"signing {uri}"):
        return str(
            client().generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds)
        )


def cors_document(origin: str) -> dict[str, Any]:
    """The CORS document that lets pages of `origin` (a Label Studio) play videos from a bucket, and nothing else."""
    return {
        "CORSRules": [
            {
                "AllowedOrigins": [origin],
                "AllowedMethods": ["GET", "HEAD"],
                "AllowedHeaders": ["*"],
                "ExposeHeaders": ["Content-Range", "ETag"],
                "MaxAgeSeconds": 3600,
            }
        ]
    }


# --- boto3 ------------------------------------------------------------------------------------------------------------


def client() -> Any:  # noqa: ANN401 - boto3 makes its classes at run time
    """boto3's client for the current environment variables. Threads may share it."""
    with s3_errors("connecting to S3"):
        return _client(os.getpid(), tuple(os.environ.get(name) for name in _VARIABLES))


_VARIABLES = (
    "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
)  # fmt: skip


def _session() -> Any:  # noqa: ANN401 - the same
    import boto3  # noqa: PLC0415 - 0.4 s that only S3 needs

    return boto3.session.Session()


def endpoint() -> str | None:
    """The address of the S3 service; None for AWS, whose address follows from the bucket's name and region."""
    url = str(client().meta.endpoint_url)
    return None if _is_aws(url) else url


def region() -> str | None:
    """The region that is set; None if none is set."""
    found = _session().region_name
    return str(found) if found else None


def _is_aws(url: str) -> bool:
    return (urlsplit(url).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))


@cache
def _client(process: int, variables: tuple[str | None, ...]) -> Any:  # noqa: ANN401 - the same
    # Each process has its own client: a forked process must not use its parent's connections.
    from botocore.config import Config  # noqa: PLC0415 - 0.4 s that only S3 needs

    config = Config(
        signature_version="s3v4",
        retries={"total_max_attempts": 4, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
        # AWS's newer checksums fail with services that answer a range with the checksum of the whole object.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = _session()
    made = session.client("s3", config=config)
    if _is_aws(made.meta.endpoint_url):
        return made
    # Services other than AWS may have no host name for each bucket.
    by_path = config.merge(Config(s3={"addressing_style": "path"}))
    return session.client("s3", config=by_path)


def _object(uri: str) -> tuple[str, str]:
    bucket, key = split_uri(uri)
    if not key:
        raise SettingsError(f"{uri} names a bucket, not an object in it", "it is s3://BUCKET/KEY")
    return bucket, key


def _client_error() -> type[Exception]:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - 0.4 s that only S3 needs

    return ClientError  # type: ignore[no-any-return]


@contextlib.contextmanager
def s3_errors(doing: str, uri: str = "") -> Iterator[None]:
    """Turn boto3's errors into lsvid's. doing: what was being done, for messages; uri: the object, if there is one."""
    try:
        yield
    except LsvidError:
        raise
    except Exception as error:
        known = _translated(error, doing, uri)
        if known is None:
            raise
        raise known from None  # boto3's errors hold requests with signed addresses


def _translated(error: Exception, doing: str, uri: str) -> LsvidError | None:
    from boto3.exceptions import Boto3Error  # noqa: PLC0415 - 0.4 s that only S3 needs
    from botocore import exceptions  # noqa: PLC0415 - the same

    if isinstance(error, Boto3Error) and isinstance(error.__context__, exceptions.ClientError):
        error = error.__context__  # the error of an upload wraps its cause
    if isinstance(error, exceptions.ClientError):
        return _refused(error.response, doing, uri)
    kind = type(error).__name__
    kinds: list[tuple[tuple[type[Exception], ...], LsvidError]] = [  # the first that fits is taken
        (
            (exceptions.NoCredentialsError, exceptions.PartialCredentialsError),
            AuthError(f"no credentials for S3 were found while {doing}", _CREDENTIALS_HINT),
        ),
        (
            (exceptions.ParamValidationError,),
            SettingsError(f"S3 does not accept this name, while {doing}", "it is s3://BUCKET/PREFIX"),
        ),
        (
            (exceptions.ConnectionError, exceptions.HTTPClientError),
            ServerError(f"cannot reach S3 while {doing}: {kind}", _where()),
        ),
        ((exceptions.BotoCoreError,), ServerError(f"S3 cannot be used while {doing}: {error}", _CREDENTIALS_HINT)),
        ((Boto3Error, OSError), ServerError(f"S3 failed while {doing}: {kind}", _where())),
    ]
    return next((known for fits, known in kinds if isinstance(error, fits)), None)


def _where() -> str:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return f"is the service at {urlsplit(endpoint).hostname} running, and its address right (<<endpoint>>)?"
    return "for a service other than AWS give its address: <<endpoint=URL>> or AWS_ENDPOINT_URL_S3"


_CODES: dict[str, tuple[type[LsvidError], str, str]] = {
    "NoSuchBucket": (NotFoundError, "S3 has no such bucket, while {doing}", "check the name after s3://; {where}"),
    "NoSuchKey": (ClipError, "there is no {uri}", "check the key; upper and lower case differ"),
    "PreconditionFailed": (
        ClipError,
        "{uri} changed while it was read",
        "wait until it is uploaded, then run the same command again",
    ),
    "InvalidAccessKeyId": (AuthError, "S3 does not know the access key, while {doing}", _CREDENTIALS_HINT),
    "SignatureDoesNotMatch": (
        AuthError,
        "S3 does not take the secret of this access key, while {doing}",
        _CREDENTIALS_HINT + "; if they are right, the region may be wrong: <<region>>",
    ),
    "AuthorizationHeaderMalformed": (
        AuthError,
        "S3 wants requests signed for another region, while {doing}",
        "give the bucket's region: <<region=REGION>>",
    ),
    "ExpiredToken": (AuthError, "the credentials for S3 have expired, while {doing}", "log in again, or get new ones"),
    "PermanentRedirect": (
        ServerError,
        "the bucket lies in another region, while {doing}",
        "give its region: <<region=REGION>>",
    ),
}
"""By S3's error code: the error, its message and its hint."""

_NOT_ALLOWED = (
    "they need s3:ListBucket on the bucket and s3:GetObject on its clips (to write also s3:PutObject and "
    "s3:DeleteObject)"
)


def _refused(response: Any, doing: str, uri: str) -> LsvidError:  # noqa: ANN401 - boto3's untyped answer
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _CODES:
        kind, message, hint = _CODES[code]
        return kind(message.format(doing=doing, uri=uri), hint.format(where=_where()))
    if status in (401, 403):
        return AuthError(f"S3 does not allow it with these credentials ({code}), while {doing}", _NOT_ALLOWED)
    return ServerError(f"S3 refused while {doing}: {code} (status {status})", _where())
