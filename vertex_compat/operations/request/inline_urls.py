"""Files that messages link to, fetched for models that take no URLs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from vertex_compat import errors
from vertex_compat.operations.context import FetchUrl, RequestContext
from vertex_compat.operations.files import file_ids
from vertex_compat.types import JSON, ChatAdapter

MAX_URLS: Final = 20
"""URLs in one request."""

MAX_PARALLEL_FETCHES: Final = 4

_URL_KEYS: Final = {"image_url": "url", "file": "file_id"}
"""Type of a part → key of its URL."""


def inline(params: JSON, adapter: ChatAdapter, context: RequestContext) -> JSON:
    """Return the chat request as the model takes it.

    File ids are replaced by `gs://` URIs, and URLs by the files themselves if the model takes no URLs.
    """
    params = file_ids.resolve(params, context)
    if adapter.accepts_urls or context.fetch_url is None:
        return params
    return params | {"messages": inline_messages(params["messages"], context.fetch_url)}


def inline_messages(messages: list[JSON], fetch_url: FetchUrl) -> list[JSON]:
    """Return the messages with data URIs in place of https:// URLs; raises `BadRequest`."""
    urls = dict(_urls(messages))
    if not urls:
        return messages
    if len(urls) > MAX_URLS:
        raise errors.BadRequest(f"A request may link to {MAX_URLS} files at most.", param="messages")
    with ThreadPoolExecutor(MAX_PARALLEL_FETCHES) as pool:
        files = list(pool.map(fetch_url, urls, urls.values()))
    data = {
        url: f"data:{file.mime};base64,{base64.b64encode(file.data).decode()}"
        for url, file in zip(urls, files, strict=True)
    }
    return [_replace_urls(message, data) for message in messages]


def _urls(messages: list[JSON]) -> Iterator[tuple[str, str]]:
    """Each URL with the parameter that holds it; the last one yielded for a URL is its first place."""
    for number, message in reversed(list(enumerate(messages))):
        content = message.get("content")
        for inner, part in enumerate(content if isinstance(content, list) else ()):
            if url := _url(part):
                yield url, f"messages[{number}].content[{inner}]"


def _url(part: JSON) -> str | None:
    source = part.get(part.get("type", ""))
    url = source.get(_URL_KEYS.get(part["type"], "")) if isinstance(source, dict) else source
    fits = part.get("type") in _URL_KEYS and isinstance(url, str) and url[:8].lower() == "https://"
    return url if fits else None


def _replace_urls(message: JSON, data: dict[str, str]) -> JSON:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_replace_url(part, data) for part in content]}


def _replace_url(part: JSON, data: dict[str, str]) -> JSON:
    url = _url(part)
    if url is None:
        return part
    kind = part["type"]
    source = part[kind] if isinstance(part[kind], dict) else {}
    rest = {key: value for key, value in source.items() if key != _URL_KEYS[kind]}
    return {**part, kind: {**rest, "url" if kind == "image_url" else "file_data": data[url]}}
