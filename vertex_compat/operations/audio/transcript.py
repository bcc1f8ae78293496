"""The transcript of a recording: collected from the parts of a response, and its segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON, StreamPart, Units, Usage

if TYPE_CHECKING:
    from vertex_compat.operations.audio import answer_types as wire

SPEAKERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Word(msgspec.Struct):
    """A word, and when it is spoken, in seconds."""

    word: str
    start: float
    end: float


class Segment(msgspec.Struct):
    """A sentence or so, when it is spoken, in seconds, and by whom."""

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    language: str | None = None
    words: list[Word] = []


class _TimedAnswer(msgspec.Struct):
    """The JSON that a chat model answers if times or speakers are requested."""

    segments: list[Segment]
    language: str = ""


_decode_answer = msgspec.json.Decoder(_TimedAnswer).decode


class Transcript:
    """Collects the parts of one response.

    Transcription models return segments. A chat model returns text: plain, or JSON with segments if
    `as_json`: they were requested. With `times_optional`, a plain text is one segment then.
    """

    def __init__(self, *, as_json: bool, times_optional: bool = False, speakers: Iterable[str] = ()) -> None:
        self._as_json = as_json
        self._times_optional = times_optional
        self._speakers = {name: name for name in speakers}
        self._labels = iter(SPEAKERS)
        self._texts: list[str] = []
        self._segments: list[Segment] = []
        self._finish_reason: str | None = None
        self._usage = Usage(0, 0)
        self._billed_seconds: float | None = None
        self._language = ""

    def add(self, part: StreamPart) -> tuple[str, list[Segment]]:
        """Take one part; return the text and the segments that it adds to the transcript."""
        if isinstance(part, Usage):
            self._usage = part
            return "", []
        self._finish_reason = part.finish_reason or self._finish_reason
        self._billed_seconds = part.fields.get("billed_seconds", self._billed_seconds)
        segments = [self._complete(_segment(segment)) for segment in part.fields.get("segments") or ()]
        text = part.fields.get("content") or ""
        self._segments += segments
        if segments:
            self._as_json = False  # they came beside their text
        if text:
            self._texts.append(text)
        return ("" if self._as_json else text), segments

    def complete(self) -> list[Segment]:
        """Check that the response is complete; return the segments that only its end has shown."""
        if self._finish_reason is None:
            raise errors.unfinished_response()
        if self._finish_reason == "content_filter":
            raise errors.BadRequest(
                "The recording was refused by the model's safety filters.",
                param="file",
                code="content_policy_violation",
            )
        if not self._as_json or self._segments:
            return []
        text = "".join(self._texts).strip()
        if self._times_optional and not text.startswith("{"):
            self._segments = [self._complete(Segment(text))] if text else []
            return self._segments
        try:
            answer = _decode_answer(text)
        except (ValueError, RecursionError):
            raise errors.UpstreamFault("The model's transcript is not in the requested form.") from None
        self._segments = [self._complete(segment) for segment in answer.segments]
        self._language = answer.language
        return self._segments

    def _complete(self, segment: Segment) -> Segment:
        """Return a segment with times, and a known name or OpenAI's label (A, B …) for its speaker."""
        words = segment.words
        start = segment.start if segment.start is not None else words[0].start if words else self.duration
        end = segment.end if segment.end is not None else words[-1].end if words else start
        speaker = segment.speaker
        if speaker is not None and speaker not in self._speakers:
            self._speakers[speaker] = next(self._labels, speaker)
        label = self._speakers[speaker] if speaker is not None else None
        return msgspec.structs.replace(segment, start=start, end=end, speaker=label)

    @property
    def text(self) -> str:
        """The whole text."""
        if self._as_json:
            return " ".join(segment.text.strip() for segment in self._segments)
        return "".join(self._texts).strip()

    @property
    def segments(self) -> list[Segment]:
        """The segments; empty if the response had none."""
        return self._segments

    @property
    def words(self) -> Iterator[Word]:
        """The words of all segments."""
        return (word for segment in self._segments for word in segment.words)

    @property
    def language(self) -> str:
        """The spoken language, as the model names it."""
        return (
            self._language
            or next((segment.language for segment in self._segments if segment.language), "")
            or ""
        )

    @property
    def duration(self) -> float:
        """The end of the last segment, in seconds."""
        return max((segment.end or 0.0 for segment in self._segments), default=0.0)

    @property
    def units(self) -> Units | None:
        """The seconds that are charged for, None for tokens."""
        return None if self._billed_seconds is None else Units(seconds=self._billed_seconds)

    @property
    def usage(self) -> wire.Usage:
        """OpenAI's token counts, or the seconds that are charged for."""
        if self._billed_seconds is not None:
            return {"type": "duration", "seconds": self._billed_seconds}
        prompt, completion = self._usage.prompt, self._usage.completion
        audio = min(self._usage.prompt_details.get("audio_tokens", 0), prompt)
        return {
            "type": "tokens",
            "input_tokens": prompt,
            "output_tokens": completion,
            "total_tokens": prompt + completion,
            "input_token_details": {"audio_tokens": audio, "text_tokens": prompt - audio},
        }


def _segment(value: JSON) -> Segment:
    try:
        return msgspec.convert(value, Segment)
    except msgspec.ValidationError:
        raise errors.UpstreamFault("The model's transcript has an invalid segment.") from None
