"""What a request to Claude may hold, as tables.

Source: the Messages API as Anthropic's SDK describes it, less what Vertex does not have.
"""

from vertex_compat.emulator.strict import (
    Anything,
    Fields,
    Flag,
    ListOf,
    MapOf,
    Nullable,
    Number,
    Reader,
    Tagged,
    Text,
    TextOr,
    integer,
)

VERSIONS = ("vertex-2023-10-16", "2026-10-21")
BETAS = (
    "compact-2026-01-12",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "interleaved-thinking-2025-05-14",
    "tool-search-tool-2025-10-19",
    "web-search-2025-03-05",
    "per-turn-control-2026-07-01",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "dangerous-tool-use-2026-09-03",
    "inline-tools-2026-09-15",
)
IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
IDENTIFIER = "[a-zA-Z0-9_-]+"
TOOL_NAME = "[a-zA-Z0-9_-]{1,128}"

CACHE = Nullable(Fields({"type": Text(("ephemeral",)), "ttl": Text(("5m", "1h"))}, ("type",)))


def _typed(fields: dict[str, Reader], *required: str) -> Fields:
    return Fields({"type": Text(), **fields}, ("type", *required))


TEXT = _typed({"text": Text(), "cache_control": CACHE, "citations": Nullable(ListOf(MapOf()))}, "text")
URL = _typed({"url": Text(pattern="https://.+")}, "url")
IMAGE = _typed(
    {
        "source": Tagged(
            "type",
            {
                "base64": _typed({"media_type": Text(IMAGES), "data": Text(least=1)}, "media_type", "data"),
                "url": URL,
            },
        ),
        "cache_control": CACHE,
    },
    "source",
)
PLAIN = _typed({"media_type": Text(("text/plain",)), "data": Text(least=1)}, "media_type", "data")
PDF = _typed({"media_type": Text(("application/pdf",)), "data": Text(least=1)}, "media_type", "data")
DOCUMENT = _typed(
    {
        "source": Tagged(
            "type",
            {
                "base64": PDF,
                "text": PLAIN,
                "url": URL,
                "content": _typed(
                    {"content": TextOr(ListOf(Tagged("type", {"text": TEXT, "image": IMAGE})))}, "content"
                ),
            },
        ),
        "title": Nullable(Text()),
        "context": Nullable(Text()),
        "citations": Nullable(Fields({"enabled": Flag()})),
        "cache_control": CACHE,
    },
    "source",
)
SEARCH_RESULT = _typed(
    {
        "source": Text(),
        "title": Text(),
        "content": ListOf(TEXT),
        "citations": Fields({"enabled": Flag()}),
        "cache_control": CACHE,
    },
    "source",
    "title",
    "content",
)
TOOL_USE = _typed(
    {
        "id": Text(pattern=IDENTIFIER),
        "name": Text(pattern=TOOL_NAME),
        "input": MapOf(),
        "cache_control": CACHE,
    },
    "id",
    "name",
    "input",
)
TOOL_RESULT = _typed(
    {
        "tool_use_id": Text(pattern=IDENTIFIER),
        "content": TextOr(
            ListOf(
                Tagged(
                    "type",
                    {"text": TEXT, "image": IMAGE, "document": DOCUMENT, "search_result": SEARCH_RESULT},
                )
            )
        ),
        "is_error": Flag(),
        "cache_control": CACHE,
    },
    "tool_use_id",
)
THINKING = _typed({"thinking": Text(), "signature": Text()}, "thinking", "signature")
REDACTED = _typed({"data": Text()}, "data")

USER = {
    "text": TEXT,
    "image": IMAGE,
    "document": DOCUMENT,
    "search_result": SEARCH_RESULT,
    "tool_result": TOOL_RESULT,
}
ASSISTANT = {"text": TEXT, "thinking": THINKING, "redacted_thinking": REDACTED, "tool_use": TOOL_USE}


def _message(blocks: dict[str, Fields]) -> Fields:
    content = TextOr(ListOf(Tagged("type", blocks)))
    return Fields({"role": Text(), "content": content}, ("role", "content"))


MESSAGE = Tagged(
    "role", {"user": _message(dict(USER)), "assistant": _message(dict(ASSISTANT))}, in_path=False
)

INPUT_SCHEMA = MapOf()
CUSTOM = Fields(
    {
        "type": Text(("custom",)),
        "name": Text(pattern=TOOL_NAME),
        "description": Text(),
        "input_schema": INPUT_SCHEMA,
        "strict": Flag(),
        "cache_control": CACHE,
        "defer_loading": Flag(),
        "input_examples": ListOf(MapOf()),
    },
    ("name", "input_schema"),
)
_SEARCH = _typed(
    {
        "name": Text(("web_search",)),
        "max_uses": Nullable(integer(1)),
        "allowed_domains": Nullable(ListOf(Text())),
        "blocked_domains": Nullable(ListOf(Text())),
        "user_location": Nullable(MapOf()),
        "cache_control": CACHE,
    },
    "name",
)
TOOL = Tagged(
    "type",
    {
        "custom": CUSTOM,
        "web_search_20250305": _SEARCH,
        "bash_20250124": MapOf(),
        "text_editor_20250124": MapOf(),
        "text_editor_20250429": MapOf(),
        "text_editor_20250728": MapOf(),
        "memory_20250818": MapOf(),
        "computer_20250124": MapOf(),
        "computer_20251124": MapOf(),
        "tool_search_tool_regex_20251119": MapOf(),
        "tool_search_tool_bm25_20251119": MapOf(),
    },
    default="custom",
)
TOOL_CHOICE = Tagged(
    "type",
    {
        "auto": _typed({"disable_parallel_tool_use": Flag()}),
        "any": _typed({"disable_parallel_tool_use": Flag()}),
        "tool": _typed({"name": Text(), "disable_parallel_tool_use": Flag()}, "name"),
        "none": _typed({}),
    },
)
DISPLAY = Nullable(Text(("summarized", "omitted")))
THINKING_CONFIG = Tagged(
    "type",
    {
        "enabled": _typed({"budget_tokens": integer(1024), "display": DISPLAY}, "budget_tokens"),
        "adaptive": _typed({"display": DISPLAY}),
        "disabled": _typed({}),
        "between_tools": _typed({"display": DISPLAY}),
    },
)
EFFORTS = ("low", "medium", "high", "xhigh", "max")
FORMAT = _typed({"schema": MapOf()}, "schema")
SYSTEM = TextOr(ListOf(Tagged("type", {"text": TEXT})))

_SHARED: dict[str, Reader] = {
    "anthropic_version": Text(VERSIONS),
    "anthropic_beta": ListOf(Text()),
    "messages": ListOf(MESSAGE),
    "system": SYSTEM,
    "tools": ListOf(TOOL),
    "tool_choice": TOOL_CHOICE,
    "thinking": THINKING_CONFIG,
    "output_config": Fields({"effort": Text(EFFORTS), "format": FORMAT}),
}
MESSAGES = Fields(
    {
        **_SHARED,
        "max_tokens": integer(1),
        "stop_sequences": ListOf(Text()),
        "temperature": Number(0, 1),
        "top_p": Number(0, 1),
        "top_k": integer(0),
        "metadata": Fields({"user_id": Nullable(Text())}),
        "stream": Flag(),
        "context_management": Anything(),
    },
    ("anthropic_version", "max_tokens", "messages"),
)
COUNT = Fields({**_SHARED, "model": Text()}, ("anthropic_version", "model", "messages"))
