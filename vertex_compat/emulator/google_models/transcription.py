"""Gemini's transcription models: `audioTranscription` parts, optional times and speakers.

Source: Google's Gen AI SDK (`AudioTranscriptionConfig`, `Transcription`, `WordInfo`). The transcript is the
same three sentences of two speakers for every recording.
"""

import dataclasses
from collections.abc import Iterator

from vertex_compat.emulator.google_models.gemini import replies
from vertex_compat.emulator.google_models.gemini.body import CONTENT
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import (
    BoolField,
    EnumField,
    MapField,
    Message,
    RepeatedField,
    StringField,
)
from vertex_compat.emulator.protocol.responses import JSON, SSE_TYPE, Response, pretty_json_response

SENTENCES = (("spk_1", "Good morning."), ("spk_2", "Good morning, how are you?"), ("spk_1", "Fine, thanks."))
WORD_SECONDS = 0.5
TOKENS_PER_SENTENCE = 8
AUDIO_TOKENS = 320

CONFIG = Message(
    "GenerationConfig",
    {
        "audioTranscriptionConfig": Message(
            "AudioTranscriptionConfig",
            {
                "languageCodes": RepeatedField(StringField()),
                "customVocabulary": RepeatedField(StringField()),
                "wordTimestamp": BoolField(),
                "diarization": BoolField(),
                "mode": EnumField("AudioTranscriptionConfig.Mode", ("MODE_UNSPECIFIED", "VERBATIM", "SMART")),
                "sourceText": StringField(),
            },
        )
    },
)
TRANSCRIBE = Message(
    "GenerateContentRequest",
    {
        "contents": RepeatedField(CONTENT),
        "generationConfig": CONFIG,
        "labels": MapField(StringField()),
    },
)


def is_transcription_model(model: str) -> bool:
    """Return whether a Gemini model only transcribes."""
    return "-transcribe" in model


def transcribe(request: ModelRequest) -> Response:
    """Answer `generateContent` or `streamGenerateContent` of a transcription model."""
    body = proto_json.read(TRANSCRIBE, request.body)
    parts = [part for content in body.get("contents", []) for part in content.get("parts", [])]
    media = [part.get("inlineData") or part.get("fileData") for part in parts]
    if not parts or not all(media):
        raise google_errors.invalid_argument("This model only supports audio input.")
    if not all(str(item.get("mimeType", "")).startswith(("audio/", "video/")) for item in media if item):
        raise google_errors.invalid_argument("This model only supports audio input.")
    config = body.get("generationConfig", {}).get("audioTranscriptionConfig", {})
    parts_of_answer = [_part(index, config) for index in range(len(SENTENCES))]
    usage = _usage()
    if request.verb == "generateContent":
        content = {"role": "model", "parts": parts_of_answer}
        candidate = {"content": content, "finishReason": "STOP"}
        return pretty_json_response(
            {"candidates": [candidate], "usageMetadata": usage, "modelVersion": request.model}
        )
    headers = replies.STREAM_HEADERS | {"Content-Type": SSE_TYPE}
    return Response(200, map(replies.sse, _chunks(parts_of_answer, usage)), headers, streamed=True)


def _chunks(parts: list[JSON], usage: JSON) -> Iterator[JSON]:
    for index, part in enumerate(parts, 1):
        last = index == len(parts)
        candidate = {"content": {"role": "model", "parts": [part]}} | (
            {"finishReason": "STOP"} if last else {}
        )
        yield {"candidates": [candidate]} | ({"usageMetadata": usage} if last else {})


@dataclasses.dataclass(frozen=True, slots=True)
class _Word:
    word: str
    start: float

    def as_json(self) -> JSON:
        """Return the WordInfo message; durations are strings such as `0.500s`."""
        return {
            "word": self.word,
            "startOffset": f"{self.start:.3f}s",
            "endOffset": f"{self.start + WORD_SECONDS:.3f}s",
        }


def _part(index: int, config: JSON) -> JSON:
    speaker, text = SENTENCES[index]
    before = sum(len(sentence.split()) for _, sentence in SENTENCES[:index])
    words = [_Word(word, (before + index_) * WORD_SECONDS) for index_, word in enumerate(text.split())]
    transcription: JSON = {"text": text if not index else f" {text}", "languageCode": "en-US"}
    if config.get("wordTimestamp"):
        transcription |= {
            "words": [word.as_json() for word in words],
            "startOffset": words[0].as_json()["startOffset"],
            "endOffset": words[-1].as_json()["endOffset"],
        }
    if config.get("diarization"):
        transcription["speakerLabel"] = speaker
    return {"audioTranscription": transcription}


def _usage() -> JSON:
    output_tokens = TOKENS_PER_SENTENCE * len(SENTENCES)
    return {
        "promptTokenCount": AUDIO_TOKENS,
        "candidatesTokenCount": output_tokens,
        "totalTokenCount": AUDIO_TOKENS + output_tokens,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": AUDIO_TOKENS}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": output_tokens}],
    }
