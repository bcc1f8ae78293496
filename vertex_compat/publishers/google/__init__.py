"""Google's own models: Gemini, and endpoints with a tuned Gemini."""

from __future__ import annotations

from vertex_compat.publishers.google import (
    embeddings,
    images,
    music,
    ranking,
    relay,
    speech,
    token_counts,
    transcription,
    videos,
)
from vertex_compat.publishers.google.chat import chat
from vertex_compat.types import Publisher

PUBLISHER = Publisher(
    "google",
    chat=chat.CHAT,
    embeddings=embeddings.EMBEDDINGS,
    images=images.IMAGES,
    speech=speech.SPEECH,
    music=music.MUSIC,
    transcriptions=transcription.TRANSCRIPTIONS,
    rerank=ranking.RERANK,
    videos=videos.VIDEOS,
    generate_content=relay.request,
    token_counts=token_counts.TOKEN_COUNTS,
)
