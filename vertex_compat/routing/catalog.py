"""Models that `GET /models` lists: the current ones.

Any other name that the rules in `names` know works too. The first one is what the playground begins with.

https://cloud.google.com/vertex-ai/generative-ai/docs/models, November 2026.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Retirement(NamedTuple):
    """The first day on which a model need not be there any more, and what Google recommends instead."""

    day: str
    successor: str


RETIREMENTS: Final = {
    "gemini-2.5-flash": Retirement("2026-10-20", "gemini-3.5-flash-lite"),
    "gemini-2.5-flash-image": Retirement("2027-03-15", "gemini-3.1-flash-lite-image"),
    "gemini-2.5-flash-lite": Retirement("2026-10-20", "gemini-3.1-flash-lite"),
    "gemini-2.5-pro": Retirement("2026-10-20", "gemini-3.5-flash"),
    "gemini-3.6-flash": Retirement("2026-11-19", "gemini-3.8-flash"),
    "gemini-3.7-flash": Retirement("2027-01-28", "gemini-3.8-flash"),
}
"""As announced in October 2026; days may be moved, but not to earlier ones.

https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/model-versions
"""

MODELS: Final = (
    "gemini-3.8-flash",
    "gemini-3.5-flash",
    "gemini-3.5-flash-lite",
    "gemini-3.1-flash-lite",
    "gemini-3.1-pro-preview",
    "gemini-3-flash-preview",
    "gemini-3-pro-preview",
    "claude-haiku-4-5",
    "claude-haiku-5-5",
    "claude-opus-4-8",
    "claude-opus-5-5",
    "claude-sonnet-4-5",
    "claude-sonnet-4-6",
    "claude-sonnet-5-5",
    "codestral-2",
    "mistral-medium-3",
    "mistral-small-2503",
    "deepseek-ai/deepseek-v3.2-maas",
    "meta/llama-3.3-70b-instruct-maas",
    "meta/llama-4-maverick-17b-128e-instruct-maas",
    "meta/llama-4-scout-17b-16e-instruct-maas",
    "minimaxai/minimax-m2-maas",
    "moonshotai/kimi-k2-thinking-maas",
    "openai/gpt-oss-120b-maas",
    "openai/gpt-oss-20b-maas",
    "qwen/qwen3-235b-a22b-instruct-2507-maas",
    "qwen/qwen3-coder-480b-a35b-instruct-maas",
    "xai/grok-4.1-fast-reasoning",
    "zai-org/glm-5-maas",
    "gemini-embedding-001",
    "gemini-embedding-2",
    "multimodalembedding@001",
    "text-embedding-005",
    "text-multilingual-embedding-002",
    "gemini-2.5-flash-image",
    "gemini-3-pro-image",
    "gemini-3.1-flash-image",
    "gemini-2.5-flash-tts",
    "gemini-2.5-pro-tts",
)
