"""Files that messages link to: fetched for models without URLs, else with media types."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

from vertex_compat import errors
from vertex_compat.json_values import text
from vertex_compat.operations.context import FetchUrl, RequestContext
from vertex_compat.operations.files import file_ids
from vertex_compat.publishers import chat_messages
from vertex_compat.types import JSON, ChatAdapter

MAX_URLS: Final = 20
"""URLs in one request that are fetched or looked up."""

MAX_PARALLEL_FETCHES: Final = 4

_SCHEMES: Final = ("gs://", "https://")

_AUDIO_KINDS: Final = frozenset({"audio_input", "input_audio"})

_FETCHED_KINDS: Final = frozenset({"document", "file", "image_url"})
"""Types of parts whose files models take that take no URLs."""


class _File(NamedTuple):
    """A linked file: its data URI, or only its media type."""

    data_uri: str | None
    media_type: str


class _Link(NamedTuple):
    """A URL in a part of a message: the part's type, its source, and the key of the URL in it."""

    kind: str
    source: JSON
    key: str

    @property
    def url(self) -> str:
        """The URL."""
        url: str = self.source[self.key]
        return url.strip()

    @property
    def is_fetched(self) -> bool:
        """True if a model that takes no URLs takes the file."""
        return self.kind in _FETCHED_KINDS and self.url[:8].lower() == "https://"

    @property
    def is_untyped(self) -> bool:
        """True if neither the client nor the file's name gives the media type."""
        declared = text(self.source.get(self._type_key))
        if self.kind in _AUDIO_KINDS:
            declared = chat_messages.audio_media_type(declared or None) or ""
        try:
            return not chat_messages.media_type_of_url(self.url, declared, text(self.source.get("filename")))
        except ValueError:
            return False  # the publisher's adapter refuses the URL

    @property
    def _type_key(self) -> str:
        return "media_type" if self.kind == "document" else "format"

    def source_with(self, file: _File) -> JSON:
        """Return the source with what is known about the file."""
        if file.data_uri is None:
            return self.source | {self._type_key: file.media_type}
        if self.kind == "document":
            data = file.data_uri.partition(",")[2]
            return {"type": "base64", "media_type": file.media_type, "data": data}
        fields = {key: value for key, value in self.source.items() if key != self.key}
        return fields | {"file_data" if self.kind == "file" else self.key: file.data_uri}


_Resolve = Callable[[str, str], _File | None]
"""Returns what is known about the file at a URL (first argument), which a parameter (second) holds."""


def inline(params: JSON, adapter: ChatAdapter, context: RequestContext) -> JSON:
    """Return the chat request as the model takes it.

    File ids are replaced by `gs://` URIs, and URLs by the files themselves if the model takes no URLs. If it
    needs media types, those of Cloud Storage objects are looked up where no name tells them, and other files
    are fetched.
    """
    params = file_ids.resolve(params, context)
    messages = params["messages"]
    if not adapter.accepts_urls and context.fetch_url:
        return params | {"messages": inline_messages(messages, context.fetch_url)}
    if adapter.needs_media_types:
        resolve = partial(_stored_file, context=context)
        return params | {"messages": _replace_links(messages, lambda link: link.is_untyped, resolve)}
    return params


def inline_messages(messages: list[JSON], fetch_url: FetchUrl) -> list[JSON]:
    """Return the messages with data URIs in place of https:// URLs; raises `BadRequest`."""
    resolve = partial(_fetch, fetch_url=fetch_url)
    return _replace_links(messages, lambda link: link.is_fetched, resolve)


def _fetch(url: str, param: str, fetch_url: FetchUrl) -> _File:
    file = fetch_url(url, param)
    return _File(f"data:{file.mime};base64,{base64.b64encode(file.data).decode()}", file.mime)


def _stored_file(url: str, param: str, context: RequestContext) -> _File | None:
    context.resources.check_url(url, context.read)
    if url[:5].lower() == "gs://":
        from vertex_compat.operations.request import object_types  # noqa: PLC0415  (few files need it: cold start)

        media_type = object_types.media_type(url, param, context)
        return _File(None, media_type) if media_type else None
    return _fetch(url, param, context.fetch_url) if context.fetch_url else None


def _replace_links(messages: list[JSON], matches: Callable[[_Link], bool], resolve: _Resolve) -> list[JSON]:
    """Return the messages with what `resolve` knows about the links that match."""
    urls = {link.url: param for link, param in _links(messages) if matches(link)}
    if not urls:
        return messages
    if len(urls) > MAX_URLS:
        raise errors.BadRequest(f"A request may link to {MAX_URLS} files at most.", param="messages")
    with ThreadPoolExecutor(MAX_PARALLEL_FETCHES) as pool:
        fetched = list(pool.map(resolve, urls, urls.values()))
    files = {url: file for url, file in zip(urls, fetched, strict=True) if file}

    def replace_part(part: JSON) -> JSON:
        link = _link(part)
        if link is None or link.url not in files or not matches(link):
            return part
        return part | {chat_messages.source_key(link.kind): link.source_with(files[link.url])}

    return [
        message | {name: [*map(replace_part, parts)] for name, parts in _parts(message)}
        for message in messages
    ]


def _links(messages: list[JSON]) -> Iterator[tuple[_Link, str]]:
    """Each link with the parameter that holds it.

    The last one yielded for a URL is its first place.
    """
    for number, message in reversed(list(enumerate(messages))):
        for name, parts in _parts(message):
            for inner, part in enumerate(parts):
                if link := _link(part):
                    yield link, f"messages[{number}].{name}[{inner}]"


def _parts(message: JSON) -> Iterator[tuple[str, list[JSON]]]:
    """The lists of parts of a message: its content, and the images of an answer that comes back."""
    for name in ("content", "images"):
        if isinstance(parts := message.get(name), list):
            yield name, parts


def _link(part: Any) -> _Link | None:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or not (keys := chat_messages.LINK_KEYS.get(kind)):
        return None
    source = part.get(chat_messages.source_key(kind))
    if isinstance(source, str):
        source = {"url": source}
    for key in keys:
        if isinstance(source, dict) and isinstance(url := source.get(key), str):
            return _Link(kind, source, key) if url.lstrip()[:8].lower().startswith(_SCHEMES) else None
    return None
