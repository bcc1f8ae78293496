"""The JSON that is sent to Cloud Text-to-Speech.

https://cloud.google.com/text-to-speech/docs/reference/rest/v1/text/synthesize. Types for mypy only: no module
imports this one when the function runs.
"""

from __future__ import annotations

from typing import Required, TypedDict


class SynthesisInput(TypedDict, total=False):
    """A text, or SSML."""

    text: str
    ssml: str


class VoiceSelectionParams(TypedDict, total=False):
    """A voice."""

    languageCode: str
    name: str


class AudioConfig(TypedDict, total=False):
    """The form of the audio."""

    audioEncoding: Required[str]
    sampleRateHertz: int
    speakingRate: float


class SynthesizeSpeechRequest(TypedDict):
    """The body of `text:synthesize`."""

    input: SynthesisInput
    voice: VoiceSelectionParams
    audioConfig: AudioConfig
