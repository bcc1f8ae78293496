"""File ids in messages, replaced by the `gs://` URIs of the files for the models."""

from __future__ import annotations

from typing import Any, Final

from vertex_compat import errors, ids
from vertex_compat.operations.context import RequestContext
from vertex_compat.types import JSON

KEYS: Final = frozenset({"file", "file_data", "file_id", "image_url", "source", "url", "video_url"})
"""Keys of a message's part under which a file id may stand."""


def resolve(params: JSON, context: RequestContext) -> JSON:
    """Return a chat request without file ids.

    Raises `BadRequest` for a file that is not the caller's.
    """
    messages = [
        _resolve_message(message, f"messages[{number}]", context)
        for number, message in enumerate(params["messages"])
    ]
    return {**params, "messages": messages}


def _resolve_message(message: JSON, param: str, context: RequestContext) -> JSON:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    parts = [
        _resolve_part(part, f"{param}.content[{number}]", context) for number, part in enumerate(content)
    ]
    return message if all(map(lambda a, b: a is b, parts, content)) else {**message, "content": parts}


def _resolve_part(value: Any, param: str, context: RequestContext) -> Any:
    """Return the part itself if it holds no file id."""
    if isinstance(value, str):
        return _uri(value, param, context) if value.startswith(ids.FILE) else value
    if not isinstance(value, dict):
        return value
    resolved = {
        key: _resolve_part(inner, param, context) if key in KEYS else inner for key, inner in value.items()
    }
    return value if all(resolved[key] is inner for key, inner in value.items()) else resolved


def _uri(file_id: str, param: str, context: RequestContext) -> str:
    try:
        from vertex_compat.operations.files.bucket import Bucket  # noqa: PLC0415  (few requests: cold start)

        return Bucket(context).resolve(file_id).uri
    except errors.NotFound as error:
        raise errors.BadRequest(error.message, param=param, code="invalid_value") from None
