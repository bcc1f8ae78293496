"""The JSON that is sent to Cloud Speech-to-Text v2.

https://cloud.google.com/speech-to-text/docs/reference/rest/v2/projects.locations.recognizers. Types for mypy
only: no module imports this one when the function runs.
"""

from __future__ import annotations

from typing import Required, TypedDict


class EmptyMessage(TypedDict):
    """A message whose presence is what it says."""


class RecognitionFeatures(TypedDict, total=False):
    """The options of a recognition."""

    enableAutomaticPunctuation: bool
    enableWordTimeOffsets: bool
    diarizationConfig: EmptyMessage


class Phrase(TypedDict):
    """Words that may occur."""

    value: str


class PhraseSet(TypedDict):
    """A list of phrases."""

    phrases: list[Phrase]


class AdaptationPhraseSet(TypedDict):
    """A list of phrases in the request."""

    inlinePhraseSet: PhraseSet


class SpeechAdaptation(TypedDict):
    """The phrases that a recognition prefers."""

    phraseSets: list[AdaptationPhraseSet]


class TranslationConfig(TypedDict):
    """The language of a translation."""

    targetLanguage: str


class RecognitionConfig(TypedDict, total=False):
    """The model, and what it does."""

    autoDecodingConfig: Required[EmptyMessage]
    model: Required[str]
    languageCodes: Required[list[str]]
    features: Required[RecognitionFeatures]
    adaptation: SpeechAdaptation
    translationConfig: TranslationConfig


class RecognizeRequest(TypedDict, total=False):
    """The body of `recognize`: base64, or the URI of an object."""

    config: Required[RecognitionConfig]
    content: str
    uri: str


class BatchRecognizeFileMetadata(TypedDict):
    """An object in Cloud Storage."""

    uri: str


class RecognitionOutputConfig(TypedDict):
    """Results are in the operation."""

    inlineResponseConfig: EmptyMessage


class BatchRecognizeRequest(TypedDict):
    """The body of `batchRecognize`."""

    config: RecognitionConfig
    files: list[BatchRecognizeFileMetadata]
    recognitionOutputConfig: RecognitionOutputConfig
