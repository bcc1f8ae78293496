"""The table of publishers on Vertex AI, with each operation's adapter."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, Final

from vertex_compat.types import Publisher


@cache
def _load(adapter: str) -> Any:
    """Import an adapter: `module:NAME`, relative to this package."""
    module, _, name = adapter.partition(":")
    return getattr(import_module(f"{__name__}.{module}"), name)


PUBLISHERS: Final[dict[str, Publisher]] = {
    publisher.name: publisher
    for publisher in (
        Publisher(
            "google",
            _load,
            chat="google.chat.chat:CHAT",
            embeddings="google.embeddings:EMBEDDINGS",
            images="google.images:IMAGES",
            speech="google.audio.speech:SPEECH",
            transcriptions="google.audio.transcription:TRANSCRIPTIONS",
            rerank="google.ranking:RERANK",
            ocr="google.ocr:OCR",
            videos="google.videos:VIDEOS",
            music="google.audio.music:MUSIC",
            generate_content="google.relay:request",
            token_counts="google.token_counts:TOKEN_COUNTS",  # noqa: S106  (no password)
        ),
        Publisher(
            "anthropic",
            _load,
            chat="anthropic.chat.chat:CHAT",
            messages="anthropic.relay:request",
            ocr="anthropic.ocr:OCR",
            token_counts="anthropic.token_counts:TOKEN_COUNTS",  # noqa: S106  (no password)
        ),
        Publisher(
            "mistralai",
            _load,
            chat="mistral.mistral:CHAT",
            completions="mistral.mistral:COMPLETIONS",
            ocr="mistral.ocr:OCR",
        ),
        Publisher("ai21", _load, chat="openai_compat.ai21:CHAT"),
        Publisher(
            "openapi",
            _load,
            chat="openai_compat.maas:CHAT",
            embeddings="openai_compat.maas_embeddings:EMBEDDINGS",
            ocr="openai_compat.ocr:OCR",
        ),
        Publisher(
            "endpoints",
            _load,
            chat="openai_compat.endpoints:CHAT",
            embeddings="openai_compat.deployed_embeddings:EMBEDDINGS",
            ocr="openai_compat.ocr:OCR_OF_ENDPOINTS",
            token_counts="openai_compat.endpoints:TOKEN_COUNTS",  # noqa: S106  (no password)
        ),
        Publisher(
            "predictions",
            _load,
            chat="predict.predictions:CHAT",
            embeddings="openai_compat.deployed_embeddings:EMBEDDINGS",
        ),
        Publisher("speechtotext", _load, transcriptions="speech_to_text.speech_to_text:TRANSCRIPTIONS"),
        Publisher("texttospeech", _load, speech="text_to_speech.text_to_speech:SPEECH"),
    )
}
