"""Opens video files, always in the same way: only the stream that is the film is read."""

from typing import TYPE_CHECKING, Any

from lsvid.errors import ClipError
from lsvid.files.paths import as_word
from lsvid.files.storage import S3File
from lsvid.video.boxes import lacks_its_index

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_DEFAULT_BONUS = 5_000_000
"""When ffmpeg chooses a stream, it adds this to the number of pixels of the file's default stream."""

_LOOKED_AT = 500
"""A stream with only one packet among this many is taken for a still picture."""


def open_container(media: str | S3File, path: str) -> "InputContainer":
    """The file at `path`, opened. Raises ClipError if it is not a video, or cannot be read."""
    import av  # noqa: PLC0415 - not needed where every index is in the cache

    if isinstance(media, S3File):
        media.seek(0)
    try:
        # PyAV 19 has no such option, and gives bytes that are not UTF-8 as surrogates; before, they were an error.
        wishes: dict[str, Any] = {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "replace"}
        opened: InputContainer = av.open(media, "r", **wishes)
    except (av.FFmpegError, OSError) as error:
        raise unreadable(path, error) from error
    return opened


def metadata(container: "InputContainer", name: str) -> str:
    """The file's metadata under `name`, as text that can be encoded; empty if there is none."""
    return container.metadata.get(name, "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def unreadable(path: str, error: Exception) -> ClipError:
    """The error for a file that FFmpeg cannot read."""
    said = getattr(error, "strerror", None) or error
    hint = f"see what ffprobe says of it, or copy it again from its source: ffprobe {as_word(path)}"
    if lacks_its_index(path):
        said = "its index (moov), which a recorder writes last, is missing: the recording or the copy was cut off"
        hint = "copy it again from its source; tools such as untrunc may repair a recording that was never finished"
    return ClipError(f"{path} cannot be read as a video: {said}", hint)


def only(container: "InputContainer", number: int) -> "VideoStream":
    """The stream `number` of `container`, which then gives packets of this stream only, and decodes with one thread.

    The packets of others are not read: sound or data that ends early, or is damaged, does not end the pictures. Several
    threads tell damage late, or with another picture, and show some pictures that are not whole. A decoder may also
    say nothing of damage then (H.264, measured: FFmpeg copies a picture's error before its thread has ended).
    """
    from av.stream import Discard  # noqa: PLC0415 - as above

    for stream in container.streams:
        if stream.index != number:
            stream.discard = Discard.all
    chosen = next(stream for stream in container.streams.video if stream.index == number)
    chosen.thread_type = "NONE"
    chosen.codec_context.thread_count = 1  # for decoders with threads of their own (dav1d)
    return chosen


def films(container: "InputContainer") -> "list[VideoStream]":
    """The streams of pictures that may be the film, the likeliest first, without attached pictures (covers).

    As ffmpeg chooses: the most pixels, with a bonus for the file's default stream; of equal ones, the first.
    """

    def score(stream: "VideoStream") -> int:
        context = stream.codec_context
        default = bool(stream.disposition & stream.disposition.default)
        return context.width * context.height + default * _DEFAULT_BONUS

    pictures = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & stream.disposition.attached_pic
    ]
    return sorted(pictures, key=score, reverse=True)


def film_of(container: "InputContainer", media: str | S3File, path: str) -> tuple[int, int]:
    """The number of the stream that is the film, and how many streams of pictures there are.

    If there are several, streams with a single picture do not count: some files have a still picture as their first
    stream. Raises ClipError if there is no film.
    """
    found = films(container)
    if not found:
        why = " that can be decoded" if container.streams.video else ", only sound" if container.streams.audio else ""
        raise ClipError(f"{path} holds no video stream{why}", "leave it out, or name the video files themselves")
    if len(found) == 1:
        return found[0].index, 1
    counts = {stream.index: stream.frames for stream in found}
    if not all(counts.values()):  # not every container says it
        with open_container(media, path) as again:
            counts = _count(again, [stream.index for stream in found])
    moving = [stream for stream in found if counts[stream.index] > 1]
    return (moving or found)[0].index, len(found)


def _count(container: "InputContainer", numbers: list[int]) -> dict[int, int]:
    """The number of packets of each stream, counted until films can be told from still pictures."""
    import av  # noqa: PLC0415 - as above

    counts = dict.fromkeys(numbers, 0)
    try:
        for packet in container.demux([stream for stream in container.streams if stream.index in counts]):
            counts[packet.stream.index] += packet.size > 0
            if min(counts.values()) > 1 or max(counts.values()) > _LOOKED_AT:
                break
    except (av.FFmpegError, IndexError):
        pass  # reading the film will meet the same error
    return counts
