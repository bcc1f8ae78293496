"""Items as they are stored and listed, with ids that contain their response's token."""

from __future__ import annotations

import re
from typing import Final

from vertex_compat.json_values import text
from vertex_compat.types import JSON

INPUT_NUMBERS: Final = 0x8000
"""Items of the input are numbered from here on, those of the output from 0."""

_ID: Final = re.compile(r"[a-z]+_([0-9a-f]{28})[0-9a-f]{4}")
_PREFIXES: Final = {"message": "msg", "reasoning": "rs", "function_call": "fc", "function_call_output": "fco"}


def item_id(prefix: str, token: str, number: int) -> str:
    """Return the id of an item of the response with `token`."""
    return f"{prefix}_{token}{number:04x}"


def token_of(id_: str) -> str | None:
    """Return the token of the response that an item belongs to, None for an id of another form."""
    match = _ID.fullmatch(id_)
    return match[1] if match else None


def normalize(input_: str | list[JSON], token: str) -> list[JSON]:
    """Return the input of a request as items of their full form, each with an id."""
    if isinstance(input_, str):
        input_ = [{"role": "user", "content": input_}]
    return [_normalize(item, token, INPUT_NUMBERS + number) for number, item in enumerate(input_)]


def _normalize(item: JSON, token: str, number: int) -> JSON:
    kind = text(item.get("type")) or "message"
    prefix = _PREFIXES.get(kind, "item")
    item = {"id": item_id(prefix, token, number), "type": kind, "status": "completed"} | {
        key: value for key, value in item.items() if value is not None
    }
    if kind == "message" and isinstance(content := item.get("content"), str):
        item["content"] = [_text_part(content, item.get("role") == "assistant")]
    if kind == "function_call_output":
        item["call_id"] = text(item.get("call_id"))
    return item


def _text_part(content: str, is_output: bool) -> JSON:
    if is_output:
        return {"type": "output_text", "text": content, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": content}
