"""A transcript in the formats of `response_format`, and as events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from vertex_compat import sse
from vertex_compat.operations.audio.transcript import Segment, Transcript
from vertex_compat.operations.context import FileBody
from vertex_compat.types import JSON, StreamPart

if TYPE_CHECKING:
    from vertex_compat.operations.audio import answer_types as wire

WITH_TIMES: Final = frozenset({"diarized_json", "srt", "verbose_json", "vtt"})
"""Formats that need the times of segments."""

STREAMED: Final = ("json", "text", "diarized_json")
"""Formats that can be streamed."""


def render(transcript: Transcript, form: str, params: JSON) -> Mapping[str, object] | FileBody:
    """Return a complete transcript in a format."""
    match form:
        case "text":
            return _plain(transcript.text + "\n")
        case "srt":
            return _plain(srt(transcript.segments))
        case "vtt":
            return _plain(vtt(transcript.segments))
        case "verbose_json":
            return _verbose(transcript, params)
        case "diarized_json":
            return _diarized_json(transcript)
        case _:
            transcription: wire.Transcription = {"text": transcript.text, "usage": transcript.usage}
            return transcription


def _plain(text: str) -> FileBody:
    return FileBody(text.encode("utf-8", "replace"), "text/plain; charset=utf-8")


def _verbose(transcript: Transcript, params: JSON) -> wire.TranscriptionVerbose:
    granularities = params.get("timestamp_granularities") or ["segment"]
    verbose: wire.TranscriptionVerbose = {
        "task": "translate" if params["translate"] else "transcribe",
        "language": "english" if params["translate"] else transcript.language,
        "duration": transcript.duration,
        "text": transcript.text,
        "usage": transcript.usage
        if transcript.units
        else {"type": "duration", "seconds": transcript.duration},
    }
    if "segment" in granularities:
        temperature = params.get("temperature", 0.0)
        verbose["segments"] = [
            _segment(segment, index, temperature) for index, segment in enumerate(transcript.segments)
        ]
    if "word" in granularities:
        verbose["words"] = [
            {"word": word.word, "start": word.start, "end": word.end} for word in transcript.words
        ]
    return verbose


def _segment(segment: Segment, index: int, temperature: float) -> wire.TranscriptionSegment:
    """Return a segment, with neutral values of the fields that only Whisper has."""
    return {
        "id": index,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "seek": 0,
        "tokens": [],
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
        "temperature": temperature,
    }


def _diarized_json(transcript: Transcript) -> wire.TranscriptionDiarized:
    return {
        "task": "transcribe",
        "duration": transcript.duration,
        "text": transcript.text,
        "segments": [_diarized_segment(segment, index) for index, segment in enumerate(transcript.segments)],
        "usage": transcript.usage,
    }


def _diarized_segment(segment: Segment, index: int) -> wire.TranscriptionDiarizedSegment:
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{index:03}",
        "start": segment.start,
        "end": segment.end,
        "speaker": segment.speaker or "A",
        "text": segment.text,
    }


def srt(segments: list[Segment]) -> str:
    """Return SubRip subtitles; https://en.wikipedia.org/wiki/SubRip."""
    return "".join(
        f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{segment.text.strip()}\n\n"
        for number, segment in enumerate(segments, 1)
    )


def vtt(segments: list[Segment]) -> str:
    """Return WebVTT subtitles; https://www.w3.org/TR/webvtt1/."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{segment.text.strip()}\n\n"
        for segment in segments
    )


def _clock(seconds: float | None, point: str) -> str:
    milliseconds = round(max(seconds or 0, 0) * 1000)
    minutes, remainder = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{remainder // 1000:02}{point}{remainder % 1000:03}"


class TranscriptEvents:
    """Encodes the events of a streamed transcription.

    The deltas together are the text of the last event.
    """

    keepalive = sse.KEEPALIVE

    def __init__(self, transcript: Transcript, *, diarized: bool) -> None:
        self._transcript = transcript
        self._diarized = diarized
        self._count = 0
        self._has_text = False
        self._space = ""  # after the last delta: it belongs to the text if more comes

    def encode(self, _: int, part: StreamPart) -> bytes:
        """Return the events for one part; may be none."""
        text, segments = self._transcript.add(part)
        if self._diarized:
            return self._segment_events(segments)
        return self._text_event(text)

    def finish(self) -> bytes:
        """Return the last events; raises `UpstreamFault` if the model had not finished."""
        late = self._transcript.complete()
        events = self._segment_events(late) if self._diarized else b""
        event: wire.TranscriptionTextDoneEvent = {
            "type": "transcript.text.done",
            "text": self._transcript.text,
        }
        if not self._transcript.units:  # OpenAI's event has no usage but tokens
            event["usage"] = self._transcript.usage
        return events + sse.encode(event) + sse.DONE

    def _text_event(self, text: str) -> bytes:
        """Return the event for more text, without white space at the ends of the transcript."""
        text = self._space + text if self._has_text else text.lstrip()
        delta = text.rstrip()
        self._space = text[len(delta) :]
        if not delta:
            return b""
        self._has_text = True
        return _delta(delta)

    def _segment_events(self, segments: list[Segment]) -> bytes:
        events = []
        for segment in segments:
            diarized = _diarized_segment(segment, self._count)
            delta = f" {segment.text.strip()}" if self._count else segment.text.strip()
            self._count += 1
            events += [_delta(delta, diarized["id"]), sse.encode(diarized)]
        return b"".join(events)


def _delta(text: str, segment_id: str | None = None) -> bytes:
    event: wire.TranscriptionTextDeltaEvent = {"type": "transcript.text.delta", "delta": text}
    if segment_id is not None:
        event["segment_id"] = segment_id
    return sse.encode(event)
