"""The facts about a model that translation, routing and billing depend on.

`routing.catalog` fills a `ModelProfile` from `catalog.json`; the settings file can add to it or correct it.
This module imports nothing of the package.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, TypeAlias

import msgspec

EmbeddingMethod: TypeAlias = Literal["embedContent", "predict", "multimodal"]
"""`embedContent` with one content, `predict` with texts, or `predict` with texts, images and videos."""

MediaMethod: TypeAlias = Literal["generateContent", "predict"]
"""The method that makes images or music."""

Sampling: TypeAlias = Literal["all", "one", "none"]
"""The parameters of `temperature`, `top_p` and `top_k` with an effect: all, `one` of the first two, none."""


class LongContext(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices of a whole request whose prompt has more than `above` tokens. Fields as in `Price`."""

    above: int
    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_hour: float | None = None


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices in US dollars, of a million tokens if no other unit is named.

    An unknown one is None.
    """

    input: float | None = None
    cached_input: float | None = None
    """Of tokens that are read from a cache."""
    cache_write: float | None = None
    """Of tokens that are written to a cache for 5 minutes."""
    cache_write_hour: float | None = None
    """Of tokens that are written to a cache for an hour."""
    output: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    image_output: float | None = None
    characters: float | None = None
    """Of a million characters."""
    image: float | None = None
    """Of a generated image."""
    image_input: float | None = None
    second: float | None = None
    """Of a second of sound or video."""
    page: float | None = None
    item: float | None = None
    """Of a song, a reranking request, or 100 characters that are moderated."""
    search: float | None = None
    """Of a query of the model's web search."""
    variants: dict[str, Price] = {}
    """Prices of kinds of voices and of resolutions of videos, which differ from these."""
    long_context: LongContext | None = None
    batch: float | None = None
    """Factor for batch jobs; None if there are none."""
    flex: float | None = None
    """Factor for the service tier `flex`; None if it is not offered."""
    priority: float | None = None
    """Factor for the service tier `priority`; None if it is not offered."""
    regional: float = 1.0
    """Factor for locations other than `global`."""
    until: date | None = None
    """First day on which `later` holds in place of these prices."""
    later: Price | None = None


class ModelProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Operations, limits, capabilities and prices of a model."""

    operations: tuple[str, ...] = ()
    """Operations that it serves: names of a publisher's adapters, `live`, `interactions`, `try_on`."""
    locations: tuple[str, ...] = ()
    """Locations that offer it, best first."""
    context_window: int | None = None
    max_output_tokens: int | None = None
    embedding_dimensions: int | None = None
    retires: date | None = None
    """First day on which it may be gone."""
    successor: str | None = None
    """Model to use instead."""
    price: Price | None = None
    source: str | None = None
    """Source of these facts."""
    listed: bool = True
    """It is in `GET /models`."""
    generation: tuple[int, int] | None = None
    """Version in its name, None if there is none."""

    sampling: Sampling = "all"
    takes_images: bool = True
    takes_penalties: bool = True
    takes_several_candidates: bool = True
    takes_system_instruction: bool = True
    takes_consecutive_turns: bool = True
    must_end_with_user: bool = False
    thinking: tuple[str, ...] = ()
    """Types: `enabled` (budget), `adaptive` (effort), `disabled`, `between_tools` (only between calls)."""
    thinking_budget: tuple[int, int] | None = None
    """Least and most tokens of a budget."""
    takes_budget_beside_levels: bool = True
    """A Gemini 3 takes a budget, though it thinks at levels."""
    effort_levels: tuple[str, ...] = ()
    """In ascending order and lower case."""
    max_effort_without_thinking: str | None = None
    """Highest effort level that goes with thinking of the type `disabled`."""
    progress_in_thinking: bool = False
    """Text between tool calls comes as thinking."""
    unreadable_thinking: tuple[str, ...] = ()
    """Patterns of models whose thinking blocks it refuses."""
    supports_forced_tools: bool = True
    """`tool_choice` may demand a call."""
    supports_forced_tools_with_thinking: bool = True
    """`tool_choice` may demand a call also while it thinks."""
    rejected_tools: tuple[str, ...] = ()
    """Types of server tools that it refuses."""
    supports_validated_calls: bool = True
    """Calls can be held to their schema."""
    supports_structured_outputs: bool = True
    supports_structured_outputs_with_tools: bool = True
    takes_json_schema: bool = True
    """It takes JSON Schema, not only Google's `Schema`."""
    mixes_functions_and_search: bool = True
    has_call_ids: bool = False
    """Calls and results carry ids."""
    signs_calls: bool = False
    """Calls carry a signature."""
    requires_signatures: bool = False
    """Calls without a signature are refused."""
    signs_all_parts: bool = False
    """Texts and images carry a signature, too."""
    takes_media_in_results: bool = False
    takes_resolution_per_part: bool = False
    wants_reasoning_back: bool = False
    """`reasoning_content` belongs in the history."""
    reasoning_tags: bool = False
    """Reasoning comes between `<think>` tags."""
    rejected_parameters: tuple[str, ...] = ()
    """Parameters of OpenAI's or Mistral's API that its server refuses."""

    managed: bool = False
    """Vertex AI serves it without a deployment."""
    agent: bool = False
    """The Interactions API calls it an agent."""
    embedding_method: EmbeddingMethod = "predict"
    max_embedding_inputs: int = 5
    """Most texts of one call."""
    media_method: MediaMethod = "generateContent"
    fills_in_the_middle: bool = False
    """Completions take a suffix."""
    takes_image_size: bool = False
    """Images come in several sizes."""
    extra_aspect_ratios: tuple[str, ...] = ()
    """Aspect ratios that not all models have."""
    takes_speech_metadata: bool = False
    """The style of speech is a field, and the text is read literally."""
    takes_phrases: bool = True
    """Transcription takes words that may occur."""
    separates_speakers: bool = True
    """Transcription tells speakers apart."""
    translates_speech: bool = True
    """It translates recordings into English."""
    takes_video_resolution: bool = True
    """Videos have more than one resolution."""
    default_video_seconds: int = 4
    """For requests that name no length."""
