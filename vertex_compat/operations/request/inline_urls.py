"""Linked files of a conversation, fetched for models that read no links."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from vertex_compat import errors
from vertex_compat.operations.context import FetchUrl, RequestContext
from vertex_compat.types import JSON, ChatAdapter

MAX_URLS: Final = 20
"""Links in one request."""

SIDE_BY_SIDE: Final = 4

_KEYS: Final = {"image_url": "url", "file": "file_id"}
"""Type of a part → where in it a link stands."""


def readable(given: JSON, chat: ChatAdapter, context: RequestContext) -> JSON:
    """The chat request in a form that the model can read: without links, if it reads none."""
    if chat.accepts_urls or context.fetch_url is None:
        return given
    return given | {"messages": inlined(given["messages"], context.fetch_url)}


def inlined(messages: list[JSON], fetch: FetchUrl) -> list[JSON]:
    """The messages with data URIs instead of https:// links; raises `BadRequest`."""
    links = dict(_links(messages))
    if not links:
        return messages
    if len(links) > MAX_URLS:
        raise errors.BadRequest(f"A request may link to {MAX_URLS} files at most.", param="messages")
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        files = list(pool.map(fetch, links, links.values()))
    data = {
        url: f"data:{file.mime};base64,{base64.b64encode(file.data).decode()}"
        for url, file in zip(links, files, strict=True)
    }
    return [_replaced(message, data) for message in messages]


def _links(messages: list[JSON]) -> Iterator[tuple[str, str]]:
    """Each link once, with its first place."""
    for number, message in reversed(list(enumerate(messages))):
        content = message.get("content")
        for inner, part in enumerate(content if isinstance(content, list) else ()):
            if link := _link(part):
                yield link, f"messages[{number}].content[{inner}]"


def _link(part: JSON) -> str | None:
    held = part.get(part.get("type", ""))
    link = held.get(_KEYS.get(part["type"], "")) if isinstance(held, dict) else held
    fits = part.get("type") in _KEYS and isinstance(link, str) and link[:8].lower() == "https://"
    return link if fits else None


def _replaced(message: JSON, data: dict[str, str]) -> JSON:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_with_data(part, data) for part in content]}


def _with_data(part: JSON, data: dict[str, str]) -> JSON:
    link = _link(part)
    if link is None:
        return part
    kind = part["type"]
    held = part[kind] if isinstance(part[kind], dict) else {}
    kept = {key: value for key, value in held.items() if key != _KEYS[kind]}
    return {**part, kind: {**kept, "url" if kind == "image_url" else "file_data": data[link]}}
