"""The JSON of transcripts and the events of speech that clients get.

https://platform.openai.com/docs/api-reference/audio. Types for mypy only: no module imports this one when the
function runs.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict


class InputTokenDetails(TypedDict):
    """The input by kind."""

    audio_tokens: int
    text_tokens: int


class UsageTokens(TypedDict):
    """Token counts."""

    type: Literal["tokens"]
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_token_details: InputTokenDetails


class UsageDuration(TypedDict):
    """The seconds that are charged for."""

    type: Literal["duration"]
    seconds: float


Usage: TypeAlias = UsageTokens | UsageDuration


class Transcription(TypedDict):
    """A transcript in the format `json`."""

    text: str
    usage: Usage


class TranscriptionSegment(TypedDict):
    """A segment; its last six fields are Whisper's."""

    id: int
    start: float | None
    end: float | None
    text: str
    seek: int
    tokens: list[int]
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    temperature: float


class TranscriptionWord(TypedDict):
    """A word and its times."""

    word: str
    start: float
    end: float


class TranscriptionVerbose(TypedDict):
    """A transcript in the format `verbose_json`."""

    task: Literal["transcribe", "translate"]
    language: str
    duration: float
    text: str
    usage: Usage
    segments: NotRequired[list[TranscriptionSegment]]
    words: NotRequired[list[TranscriptionWord]]


class TranscriptionDiarizedSegment(TypedDict):
    """A segment of one speaker, in a transcript or as an event."""

    type: Literal["transcript.text.segment"]
    id: str
    start: float | None
    end: float | None
    speaker: str
    text: str


class TranscriptionDiarized(TypedDict):
    """A transcript in the format `diarized_json`."""

    task: Literal["transcribe"]
    duration: float
    text: str
    segments: list[TranscriptionDiarizedSegment]
    usage: Usage


class TranscriptionTextDeltaEvent(TypedDict):
    """More text."""

    type: Literal["transcript.text.delta"]
    delta: str
    segment_id: NotRequired[str]


class TranscriptionTextDoneEvent(TypedDict):
    """The end of a transcript."""

    type: Literal["transcript.text.done"]
    text: str
    usage: NotRequired[Usage]


class SpeechAudioDeltaEvent(TypedDict):
    """More speech, in base64."""

    type: Literal["speech.audio.delta"]
    audio: str


class SpeechUsage(TypedDict):
    """Token counts of speech."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechAudioDoneEvent(TypedDict):
    """The end of a speech."""

    type: Literal["speech.audio.done"]
    usage: SpeechUsage
