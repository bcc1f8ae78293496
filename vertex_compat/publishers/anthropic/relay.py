"""A request of Anthropic's Messages API to Claude on Vertex AI: passed on, not translated.

https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai. The model is in the URL and not in
the body. The API's version is in the body and not in a header; betas are sent in both. All other fields go on
as they came, also those that are not known here.
"""

from __future__ import annotations

from typing import Final

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.publishers.anthropic.chat import betas as beta_names
from vertex_compat.publishers.anthropic.chat.chat import VERSION
from vertex_compat.types import Model, RawBody, UpstreamCall

BETA_HEADER: Final = "anthropic-beta"

FOREIGN_STATE: Final = "vc1."
"""Prefix of a signature that this function made for a model of another publisher."""

DEFAULTS: Final = frozenset({"max_tokens", "stop_sequences", "temperature", "thinking", "top_k", "top_p"})
"""Parameters of the settings that have the same name and meaning in Anthropic's API."""

_SIGNED: Final = {"thinking": "signature", "redacted_thinking": "data"}


def request(body: RawBody, model: Model, betas: str) -> UpstreamCall:
    """Return the call for a body of Anthropic's API.

    `betas` is the client's header `anthropic-beta`.
    """
    fields = {name: value for name, value in body.items() if name not in {"anthropic_beta", "betas", "model"}}
    for name in DEFAULTS & model.defaults.keys() - fields.keys():
        fields[name] = _raw(model.defaults[name])
    fields.setdefault("anthropic_version", _raw(VERSION))
    if f'"{FOREIGN_STATE}'.encode() in bytes(fields.get("messages", b"")):
        fields["messages"] = _raw(_without_foreign_thinking(fields["messages"]))
    names = [*_in_header(betas), *_in_body(body)]
    selected, optional = beta_names.select(names, model.refused_features)
    headers: dict[str, str] = {}
    if selected:
        fields["anthropic_beta"] = _raw(selected)
        headers[BETA_HEADER] = ",".join(selected)
    return UpstreamCall(
        vertex.raw_predict(model, stream=bytes(fields.get("stream", b"")) == b"true"),
        {},
        content=msgspec.json.encode(fields),
        headers=headers,
        ignored=() if set(names) <= set(selected) else ("anthropic_beta",),
        optional_features=tuple(optional),
    )


def _in_header(header: str) -> list[str]:
    return [name for part in header.split(",") if (name := part.strip())]


def _in_body(body: RawBody) -> list[str]:
    """The betas that a body lists, as clients of Vertex AI do."""
    try:
        value = msgspec.json.decode(body.get("anthropic_beta", b"[]"))
    except (ValueError, RecursionError):
        raise errors.BadRequest("'anthropic_beta' is not valid JSON.", param="anthropic_beta") from None
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _without_foreign_thinking(messages: msgspec.Raw) -> object:
    """The messages without other publishers' thinking, whose signatures Claude refuses."""
    try:
        decoded = msgspec.json.decode(messages)
    except (ValueError, RecursionError):
        return messages  # Vertex AI says what is wrong with it
    return [_without_foreign_blocks(message) for message in decoded] if isinstance(decoded, list) else decoded


def _without_foreign_blocks(message: object) -> object:
    if not isinstance(message, dict) or not isinstance(content := message.get("content"), list):
        return message  # Vertex AI says what is wrong with it
    return message | {"content": [block for block in content if not _is_foreign(block)]}


def _is_foreign(block: object) -> bool:
    if not isinstance(block, dict) or (key := _SIGNED.get(str(block.get("type")))) is None:
        return False
    return str(block.get(key)).startswith(FOREIGN_STATE)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
