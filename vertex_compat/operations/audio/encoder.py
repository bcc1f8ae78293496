"""Turn PCM samples, or an audio file, into the audio format that a client requests.

WAV and PCM need no other package. MP3, Opus, AAC and FLAC, and every conversion of a file, need the optional
package `av` (FFmpeg). It is imported when a client requests one of them.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from vertex_compat import errors

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import OutputContainer

SAMPLE_BYTES: Final = 2
"""Samples are 16-bit, signed, little-endian, one channel."""

OPUS_RATE: Final = 48_000
"""Hertz: the rate of Opus files, for every rate of the input."""


PCM_RATE: Final = 24_000
"""Samples a second of OpenAI's `pcm`, which has one channel."""

OGG_PAGE_MICROSECONDS: Final = "100000"
"""Sound in one page of an Opus file, so that a player need not wait for the usual second."""


class Format(NamedTuple):
    """A compressed format: its MIME type, FFmpeg's container and codec."""

    mime: str
    container: str
    codec: str


COMPRESSED: Final = {
    "mp3": Format("audio/mpeg", "mp3", "libmp3lame"),
    "opus": Format("audio/opus", "ogg", "libopus"),
    "aac": Format("audio/aac", "adts", "aac"),
    "flac": Format("audio/flac", "flac", "flac"),
}

FORMATS: Final = COMPRESSED | {
    "pcm": Format("audio/pcm", "s16le", "pcm_s16le"),
    "wav": Format("audio/wav", "wav", "pcm_s16le"),
}

MIME_TYPES: Final = {name: form.mime for name, form in FORMATS.items()}


class Encoder(Protocol):
    """Encodes samples as they come."""

    def write(self, samples: bytes) -> bytes:
        """Encode further samples; may return `b""`."""

    def finish(self) -> bytes:
        """Return the rest of the file."""


def is_available(name: str) -> bool:
    """Return whether samples can be encoded in a format in this deployment."""
    return name not in COMPRESSED or can_convert()


def can_convert() -> bool:
    """Return whether files can be converted in this deployment."""
    return find_spec("av") is not None


def convert(file: bytes, name: str) -> bytes:
    """Return an audio file in another format; raises `UpstreamFault` if it is not an audio file."""
    import av  # noqa: PLC0415  (optional, and 80 ms to import)

    form, output = FORMATS[name], io.BytesIO()
    try:
        with av.open(io.BytesIO(file), "r") as source, av.open(output, "w", form.container) as target:
            original = source.streams.audio[0]
            stream = cast("AudioStream", target.add_stream(form.codec, rate=_file_rate(name, original.rate)))
            stream.layout = "mono" if name == "pcm" or original.layout.nb_channels == 1 else "stereo"
            for frame in source.decode(original):
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
    except (av.FFmpegError, IndexError):
        raise errors.UpstreamFault("Vertex AI's audio file cannot be decoded.") from None
    return output.getvalue()


def join_wav(files: Sequence[bytes]) -> bytes:
    """Return WAV files of the same kind as one; raises `UpstreamFault` if one is none."""
    starts = [_start_of_samples(file) for file in files]
    samples = b"".join([file[start:] for file, start in zip(files, starts, strict=True)])
    head = bytearray(files[0][: starts[0]])
    head[4:8] = (len(head) + len(samples) - 8).to_bytes(4, "little")
    head[-4:] = len(samples).to_bytes(4, "little")
    return bytes(head) + samples


def _start_of_samples(file: bytes) -> int:
    """Return where the samples of a WAV file begin; they are taken for the rest of it."""
    position = 12
    while position + 8 <= len(file):
        if file[position : position + 4] == b"data":
            return position + 8
        size = int.from_bytes(file[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    raise errors.UpstreamFault("Vertex AI's audio file is not WAV.")


def _file_rate(name: str, original: int) -> int:
    """Return the samples a second of a converted file."""
    return {"opus": OPUS_RATE, "pcm": PCM_RATE}.get(name, original)


def encoder(name: str, rate: int) -> Encoder:
    """Return an encoder of a stream of samples; raises `BadRequest` if `av` is missing."""
    if name in COMPRESSED:
        return _CompressedEncoder(COMPRESSED[name], rate, name)
    return _WavEncoder(rate) if name == "wav" else _PcmEncoder()


def encode(samples: bytes, name: str, rate: int) -> bytes:
    """Return samples as a whole file."""
    if name == "wav":
        return _wav(samples, rate)
    stream = encoder(name, rate)
    return stream.write(samples) + stream.finish()


def _wav(samples: bytes, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_BYTES)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()


class _PcmEncoder:
    def write(self, samples: bytes) -> bytes:
        return samples

    def finish(self) -> bytes:
        return b""


class _WavEncoder:
    """Encodes a WAV file whose length is unknown: the sizes in its header are the maximum."""

    def __init__(self, rate: int) -> None:
        header = bytearray(_wav(b"", rate))
        header[4:8] = header[40:44] = b"\xff\xff\xff\xff"
        self._header = bytes(header)

    def write(self, samples: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + samples

    def finish(self) -> bytes:
        return self._header


class _Output:
    """Output of FFmpeg without `seek`, so it never goes back to a part that has been sent."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._blocks.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._blocks)
        self._blocks.clear()
        return data


class _CompressedEncoder:
    def __init__(self, form: Format, rate: int, name: str) -> None:
        try:
            import av  # noqa: PLC0415  (optional, and 80 ms to import)
        except ImportError:
            raise errors.BadRequest(
                f"This model answers samples, and {name!r} needs an encoder: add the package 'av' to "
                "requirements.txt, or use 'wav' or 'pcm'.",
                param="response_format",
                code="unsupported_value",
            ) from None
        self._av = av
        self._rate = rate
        self._output = _Output()
        options = {"page_duration": OGG_PAGE_MICROSECONDS} if form.container == "ogg" else {}
        self._container: OutputContainer = av.open(self._output, "w", form.container, options=options)
        stream = self._container.add_stream(form.codec, rate=OPUS_RATE if form.container == "ogg" else rate)
        self._stream = cast("AudioStream", stream)
        self._stream.layout = "mono"
        self._incomplete = b""
        self._position = 0

    def write(self, samples: bytes) -> bytes:
        samples = self._incomplete + samples
        whole = len(samples) - len(samples) % SAMPLE_BYTES
        samples, self._incomplete = samples[:whole], samples[whole:]
        if samples:
            frame = self._av.AudioFrame(format="s16", layout="mono", samples=whole // SAMPLE_BYTES)
            frame.planes[0].update(samples)
            frame.sample_rate = self._rate
            frame.time_base = Fraction(1, self._rate)
            frame.pts = self._position
            self._position += whole // SAMPLE_BYTES
            self._container.mux(self._stream.encode(frame))
        return self._output.take()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._output.take()
