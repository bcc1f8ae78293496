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
    """Prices in US dollars. A price that is not known is None, never 0.

    Per million tokens: `input`, `cached_input` (read from a cache), `cache_write` and `cache_write_hour`
    (written to a cache that lives 5 minutes or an hour), `output`, `reasoning`, `audio_input`,
    `audio_output`, `image_output`. Per million characters: `characters`. For each unit: `image` (generated),
    `image_input`, `second` (of sound or video), `page`, `item` and `search`. An item is a song, a reranking
    request, or 100 characters that are moderated; a search is a query of the model's web search. `variants`
    are the prices of kinds of voices and of resolutions of videos; those that it does not list have this
    price.

    `batch`, `flex`, `priority` and `regional` are factors of the price. They are for batch jobs, for these
    service tiers, and for locations other than `global`. None means that the tier is not offered. These
    prices hold before the day `until`; `later` holds from then on.
    """

    input: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_hour: float | None = None
    output: float | None = None
    reasoning: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    image_output: float | None = None
    characters: float | None = None
    image: float | None = None
    image_input: float | None = None
    second: float | None = None
    page: float | None = None
    item: float | None = None
    search: float | None = None
    variants: dict[str, Price] = {}
    long_context: LongContext | None = None
    batch: float | None = None
    flex: float | None = None
    priority: float | None = None
    regional: float = 1.0
    until: date | None = None
    later: Price | None = None


class ModelProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Operations, limits, capabilities and prices of a model.

    `operations` are those of a publisher's table that it serves: `chat`, `completions`, `embeddings`,
    `images`, `speech`, `transcriptions`, `videos`, `music`, `ocr`, `rerank`. `live`, `interactions` and
    `try_on` are for models that only Google's Live API, its Interactions API or `predict` serves. `locations`
    are where it is offered, best first. `retires` is the first day on which it need not be there any more,
    `successor` the model to use instead. `source` is where these facts are from. `listed`: it is in
    `GET /models`.

    `generation` is the version in its name, None if there is none. `thinking` has the forms in which it
    thinks, none if it does not. `enabled`: within a budget of tokens. `adaptive`: by an effort level.
    `disabled`: thinking can be turned off. `between_tools`: only between calls. `thinking_budget` has the
    least and the most tokens of a budget; `takes_budget_beside_levels`: a Gemini 3 takes one, though it
    thinks at levels. `effort_levels` are in ascending order, in lower case; `max_effort_without_thinking` is
    the highest one that goes with `disabled`. `progress_in_thinking`: text between tool calls comes as
    thinking. `unreadable_thinking` has patterns of the models whose thinking blocks it refuses,
    `rejected_tools` types of server tools.

    `supports_forced_tools`: `tool_choice` may demand a call, `…_with_thinking`: also while it thinks.
    `supports_validated_calls`: calls can be held to their schema. `takes_json_schema`: JSON Schema, not only
    Google's `Schema`. `has_call_ids`: calls and results carry ids. `signs_calls`: calls carry a signature;
    `requires_signatures`: without it they are refused; `signs_all_parts`: so are texts and pictures.
    `wants_reasoning_back`: `reasoning_content` belongs into the history. `reasoning_tags`: reasoning comes
    between `<think>` tags. `rejected_parameters` are those of OpenAI's or Mistral's API that its server
    refuses, among those that are sent as they are.

    `managed`: Vertex AI serves it without a deployment. `agent`: the Interactions API calls it an agent.
    `embedding_method` and `media_method` are the methods that it is called by, `max_embedding_inputs` the
    most texts of one call. `fills_in_the_middle`: completions take a suffix. `takes_image_size`: images come
    in several sizes; `extra_aspect_ratios` are those that not all models have. `takes_speech_metadata`: the
    style of speech is a field, and the text is read literally. `takes_video_resolution`: videos have more
    than one; `default_video_seconds` is for requests that name no length.
    """

    operations: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    context_window: int | None = None
    max_output_tokens: int | None = None
    embedding_dimensions: int | None = None
    retires: date | None = None
    successor: str | None = None
    price: Price | None = None
    source: str | None = None
    listed: bool = True
    generation: tuple[int, int] | None = None

    sampling: Sampling = "all"
    takes_images: bool = True
    takes_penalties: bool = True
    takes_several_candidates: bool = True
    takes_system_instruction: bool = True
    takes_consecutive_turns: bool = True
    must_end_with_user: bool = False
    thinking: tuple[str, ...] = ()
    thinking_budget: tuple[int, int] | None = None
    takes_budget_beside_levels: bool = True
    effort_levels: tuple[str, ...] = ()
    max_effort_without_thinking: str | None = None
    progress_in_thinking: bool = False
    unreadable_thinking: tuple[str, ...] = ()
    supports_forced_tools: bool = True
    supports_forced_tools_with_thinking: bool = True
    rejected_tools: tuple[str, ...] = ()
    supports_validated_calls: bool = True
    supports_structured_outputs: bool = True
    supports_structured_outputs_with_tools: bool = True
    takes_json_schema: bool = True
    mixes_functions_and_search: bool = True
    has_call_ids: bool = False
    signs_calls: bool = False
    requires_signatures: bool = False
    signs_all_parts: bool = False
    takes_media_in_results: bool = False
    takes_resolution_per_part: bool = False
    wants_reasoning_back: bool = False
    reasoning_tags: bool = False
    rejected_parameters: tuple[str, ...] = ()

    managed: bool = False
    agent: bool = False
    embedding_method: EmbeddingMethod = "predict"
    max_embedding_inputs: int = 5
    media_method: MediaMethod = "generateContent"
    fills_in_the_middle: bool = False
    takes_image_size: bool = False
    extra_aspect_ratios: tuple[str, ...] = ()
    takes_speech_metadata: bool = False
    takes_video_resolution: bool = True
    default_video_seconds: int = 4
