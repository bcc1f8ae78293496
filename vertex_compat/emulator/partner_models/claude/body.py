"""Fields of Messages API requests, as tables.

Source: Anthropic's SDK, without what Vertex does not offer.
"""

from vertex_compat.emulator.protocol.body_readers import (
    AnyValue,
    Boolean,
    Discriminated,
    ListOf,
    MapOf,
    Nullable,
    Number,
    Object,
    Reader,
    String,
    StringOr,
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
    "tool-examples-2025-10-29",
    "web-search-2025-03-05",
    "mid-conversation-tool-changes-2026-07-01",
    "per-turn-control-2026-07-01",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "dangerous-tool-use-2026-09-03",
    "inline-tools-2026-09-15",
)
IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
IDENTIFIER = "[a-zA-Z0-9_-]+"
TOOL_NAME = "[a-zA-Z0-9_-]{1,128}"

CACHE = Nullable(Object({"type": String(("ephemeral",)), "ttl": String(("5m", "1h"))}, ("type",)))


def _variant(fields: dict[str, Reader], *required: str) -> Object:
    return Object({"type": String(), **fields}, ("type", *required))


TEXT = _variant({"text": String(), "cache_control": CACHE, "citations": Nullable(ListOf(MapOf()))}, "text")
URL = _variant({"url": String(pattern="https://.+")}, "url")
IMAGE = _variant(
    {
        "source": Discriminated(
            "type",
            {
                "base64": _variant(
                    {"media_type": String(IMAGES), "data": String(min_length=1)}, "media_type", "data"
                ),
                "url": URL,
            },
        ),
        "cache_control": CACHE,
    },
    "source",
)
PLAIN = _variant({"media_type": String(("text/plain",)), "data": String(min_length=1)}, "media_type", "data")
PDF = _variant(
    {"media_type": String(("application/pdf",)), "data": String(min_length=1)}, "media_type", "data"
)
DOCUMENT = _variant(
    {
        "source": Discriminated(
            "type",
            {
                "base64": PDF,
                "text": PLAIN,
                "url": URL,
                "content": _variant(
                    {"content": StringOr(ListOf(Discriminated("type", {"text": TEXT, "image": IMAGE})))},
                    "content",
                ),
            },
        ),
        "title": Nullable(String()),
        "context": Nullable(String()),
        "citations": Nullable(Object({"enabled": Boolean()})),
        "cache_control": CACHE,
    },
    "source",
)
SEARCH_RESULT = _variant(
    {
        "source": String(),
        "title": String(),
        "content": ListOf(TEXT),
        "citations": Object({"enabled": Boolean()}),
        "cache_control": CACHE,
    },
    "source",
    "title",
    "content",
)
TOOL_USE = _variant(
    {
        "id": String(pattern=IDENTIFIER),
        "name": String(pattern=TOOL_NAME),
        "input": MapOf(),
        "toolset_name": String(),
        "cache_control": CACHE,
    },
    "id",
    "name",
    "input",
)
TOOL_RESULT = _variant(
    {
        "tool_use_id": String(pattern=IDENTIFIER),
        "content": StringOr(
            ListOf(
                Discriminated(
                    "type",
                    {"text": TEXT, "image": IMAGE, "document": DOCUMENT, "search_result": SEARCH_RESULT},
                )
            )
        ),
        "is_error": Boolean(),
        "toolset_name": String(),
        "cache_control": CACHE,
    },
    "tool_use_id",
)
THINKING = _variant({"thinking": String(), "signature": String()}, "thinking", "signature")
REDACTED = _variant({"data": String()}, "data")

USER = {
    "text": TEXT,
    "image": IMAGE,
    "document": DOCUMENT,
    "search_result": SEARCH_RESULT,
    "tool_result": TOOL_RESULT,
}
SERVER_TOOL_USE = _variant({"id": String(), "name": String(), "input": MapOf()}, "id", "name", "input")
SEARCHED = _variant({"tool_use_id": String(), "content": ListOf(MapOf())}, "tool_use_id", "content")
ASSISTANT = {
    "text": TEXT,
    "thinking": THINKING,
    "redacted_thinking": REDACTED,
    "tool_use": TOOL_USE,
    "server_tool_use": SERVER_TOOL_USE,
    "web_search_tool_result": SEARCHED,
}


def _message(blocks: dict[str, Object]) -> Object:
    content = StringOr(ListOf(Discriminated("type", blocks)))
    return Object({"role": String(), "content": content}, ("role", "content"))


MESSAGE = Discriminated(
    "role", {"user": _message(dict(USER)), "assistant": _message(dict(ASSISTANT))}, in_path=False
)

INPUT_SCHEMA = MapOf()
CUSTOM = Object(
    {
        "type": String(("custom",)),
        "name": String(pattern=TOOL_NAME),
        "description": String(),
        "input_schema": INPUT_SCHEMA,
        "strict": Boolean(),
        "cache_control": CACHE,
        "defer_loading": Boolean(),
        "input_examples": ListOf(MapOf()),
        "eager_input_streaming": Boolean(),
        "allowed_callers": ListOf(String()),
    },
    ("name", "input_schema"),
)
_SEARCH = _variant(
    {
        "name": String(("web_search",)),
        "max_uses": Nullable(integer(1)),
        "allowed_domains": Nullable(ListOf(String())),
        "blocked_domains": Nullable(ListOf(String())),
        "user_location": Nullable(MapOf()),
        "cache_control": CACHE,
    },
    "name",
)
TOOL = Discriminated(
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
        "computer_toolset_20260801": MapOf(),
        "browser_toolset_20260801": MapOf(),
        "tool_search_tool_regex_20251119": MapOf(),
        "tool_search_tool_bm25_20251119": MapOf(),
    },
    default="custom",
)
TOOL_CHOICE = Discriminated(
    "type",
    {
        "auto": _variant({"disable_parallel_tool_use": Boolean()}),
        "any": _variant({"disable_parallel_tool_use": Boolean()}),
        "tool": _variant({"name": String(), "disable_parallel_tool_use": Boolean()}, "name"),
        "none": _variant({}),
    },
)
DISPLAY = Nullable(String(("summarized", "omitted", "updates")))
BINDING = Object({"prefix_mismatch_behavior": String(("error", "drop_block"))})
THINKING_CONFIG = Discriminated(
    "type",
    {
        "enabled": _variant(
            {"budget_tokens": integer(1024), "display": DISPLAY, "block_binding": BINDING}, "budget_tokens"
        ),
        "adaptive": _variant({"display": DISPLAY, "block_binding": BINDING}),
        "disabled": _variant({}),
        "between_tools": _variant({}),
    },
)
EFFORTS = ("low", "medium", "high", "xhigh", "max")
FORMAT = _variant({"schema": MapOf()}, "schema")
SYSTEM = StringOr(ListOf(Discriminated("type", {"text": TEXT})))

_SHARED: dict[str, Reader] = {
    "anthropic_version": String(VERSIONS),
    "anthropic_beta": ListOf(String()),
    "messages": ListOf(MESSAGE),
    "system": SYSTEM,
    "tools": ListOf(TOOL),
    "tool_choice": TOOL_CHOICE,
    "thinking": THINKING_CONFIG,
    "output_config": Object({"effort": String(EFFORTS), "format": FORMAT, "task_budget": MapOf()}),
}
MESSAGES = Object(
    {
        **_SHARED,
        "max_tokens": integer(1),
        "stop_sequences": ListOf(String()),
        "temperature": Number(0, 1),
        "top_p": Number(0, 1),
        "top_k": integer(0),
        "metadata": Object({"user_id": Nullable(String())}),
        "labels": MapOf(String()),
        "stream": Boolean(),
        "context_management": AnyValue(),
    },
    ("anthropic_version", "max_tokens", "messages"),
)
COUNT = Object({**_SHARED, "model": String()}, ("anthropic_version", "model", "messages"))
