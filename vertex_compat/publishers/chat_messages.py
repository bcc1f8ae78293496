"""OpenAI's messages as turns of a user and a model, in an order that every publisher takes.

Clients send several messages of one role in a row, an assistant first, tool results out of order, late, twice
or never, and empty texts. They are repaired here, once for all publishers:

* Consecutive messages of a role are one turn; empty texts are dropped.
* A turn with calls is followed directly by a `tool` turn with one result a call, in the order of the calls. A
  call without a result gets one that says so; a result without a call becomes a text of the user.
* Results without an id are matched with calls by name and order.
* A file in any of OpenAI's, Google's, Anthropic's and LiteLLM's forms is a `Media`.

The client's object stays in `raw`, with what only one publisher knows (`cache_control`, `extra_content`, …).
"""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import items, text
from vertex_compat.publishers import media_types
from vertex_compat.types import JSON

NO_RESULT: Final = "No result was given for this call."

MediaKind: TypeAlias = Literal["image", "audio", "video", "file"]


class Text(msgspec.Struct, frozen=True):
    """A text that is not empty."""

    text: str
    raw: JSON = msgspec.field(default_factory=dict)


class Media(msgspec.Struct, frozen=True):
    """A file: its `data` (base64) or its `uri` (`gs://`, `https://`).

    `mime` is None if neither the client, the bytes nor the name give the type. `param` is the part's place in
    the request.
    """

    kind: MediaKind
    mime: str | None
    data: str | None
    uri: str | None
    name: str | None
    param: str
    raw: JSON = msgspec.field(default_factory=dict)


class Thinking(msgspec.Struct, frozen=True):
    """A `thinking` or `redacted_thinking` block of Claude's that the client sends back."""

    raw: JSON


class Call(msgspec.Struct, frozen=True):
    """A tool call of the model; `raw` is the client's tool call."""

    id: str
    name: str
    arguments: JSON
    raw: JSON = msgspec.field(default_factory=dict)


class Result(msgspec.Struct, frozen=True):
    """The result of a call; `raw` is the client's message, empty if there is none."""

    call: Call
    parts: tuple[Text | Media, ...]
    raw: JSON = msgspec.field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """True if the client says that the call failed: Anthropic's `is_error`."""
        return self.raw.get("is_error") is True


class ServerTool(msgspec.Struct, frozen=True):
    """A block about a tool that Anthropic's servers ran: the call, or its result."""

    raw: JSON


Part: TypeAlias = Text | Media | Thinking | Call | Result | ServerTool


class Turn(msgspec.Struct):
    """Consecutive messages of one role (`system`, `user`, `assistant`, `tool`).

    `parts` is never empty.
    """

    role: str
    parts: list[Part]
    raw: JSON = msgspec.field(default_factory=dict)
    images: list[Media] = msgspec.field(default_factory=list)
    """Images that the model made. Only models that make images take them back."""


IMAGES_ONLY: Final = Text("[image]")
"""The part of an assistant's turn that had nothing but images."""


def read(messages: list[JSON]) -> list[Turn]:
    """Return the turns, system messages in their places; raises `BadRequest`."""
    reader = _TurnReader()
    for number, message in enumerate(messages):
        reader.read(message, f"messages[{number}]")
    return reader.turns


def split_system(turns: Iterable[Turn]) -> tuple[list[Text], list[Turn]]:
    """Return the texts of all system turns, and the other turns; repeated roles are merged."""
    system: list[Text] = []
    other_turns: list[Turn] = []
    for turn in turns:
        if turn.role == "system":
            system += [part for part in turn.parts if isinstance(part, Text)]
        else:
            append_merged(other_turns, Turn(turn.role, [*turn.parts], {**turn.raw}, [*turn.images]))
    return system, other_turns


REASONING_FIELDS: Final = ("reasoning_content", "reasoning", "reasoning_details")
"""Fields of an assistant's message in which clients send reasoning back, in the order of preference."""


def unread_reasoning(messages: Iterable[JSON], *, reads_blocks: bool = False) -> list[str]:
    """Return the names of parameters with earlier reasoning, which the model does not read.

    With `reads_blocks` the model reads thinking blocks, which say the same as the other fields.
    """
    names: dict[str, None] = {}
    for message in messages:
        if message["role"] != "assistant":
            continue
        has_blocks = bool(message.get("thinking_blocks"))
        if has_blocks and reads_blocks:
            continue
        fields = [name for name in REASONING_FIELDS if message.get(name)]
        names |= dict.fromkeys(fields or (["thinking_blocks"] if has_blocks else []))
    return [f"messages.{name}" for name in names]


def append_merged(turns: list[Turn], turn: Turn) -> None:
    """Append a turn, or its parts to a last turn of its role; results stay with their calls."""
    last = turns[-1] if turns else None
    if last and last.role == turn.role and turn.role != "tool":
        last.parts += turn.parts
        last.raw |= turn.raw
        last.images += turn.images
    else:
        turns.append(turn)


class _Slot(msgspec.Struct):
    """The place of a result: `index` in the parts of a `tool` turn."""

    turn: Turn
    index: int
    call: Call
    has_result: bool = False

    def set_result(self, parts: tuple[Text | Media, ...], message: JSON) -> None:
        self.has_result = True
        self.turn.parts[self.index] = Result(self.call, parts, message)


_Slots: TypeAlias = "dict[str, deque[_Slot]]"


class _TurnReader:
    """Reads messages in their order.

    Each slot is in three queues, so that finding it takes no search.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self._by_id: _Slots = {}
        self._by_name: _Slots = {}
        self._latest: deque[_Slot] = deque()  # of the last calls
        self._ids: set[str] = set()
        self._generated = 0

    def read(self, message: JSON, param: str) -> None:
        match message["role"]:
            case "system" | "developer":
                self._add("system", list(_content(message, param)), message)
            case "user":
                self._add("user", list(_content(message, param)), message)
            case "assistant":
                self._read_assistant(message, param)
            case "tool":
                self._read_result(message.get("tool_call_id"), message, param)
            case "function":  # OpenAI's first API for tools had no ids
                self._read_result(None, message, param)

    def _add(self, role: str, parts: list[Part], message: JSON, images: Sequence[Media] = ()) -> None:
        if images and not parts:
            parts = [IMAGES_ONLY]
        if parts:
            append_merged(self.turns, Turn(role, parts, dict(message), [*images]))

    def _read_assistant(self, message: JSON, param: str) -> None:
        content = list(_content(message, param))
        images = [part for part in content if isinstance(part, Media)]
        images += _images(message, param)
        parts: list[Part] = [Thinking(block) for block in message.get("thinking_blocks") or ()]
        parts += [part for part in content if not isinstance(part, Media)]
        if not any(isinstance(part, Text) for part in parts) and (refusal := message.get("refusal")):
            parts.append(Text(refusal))
        calls = list(self._calls(message, param))
        self._add("assistant", [*parts, *calls], message, images)
        if calls:
            self._expect_results(calls)

    def _expect_results(self, calls: list[Call]) -> None:
        turn = Turn("tool", [Result(call, (Text(NO_RESULT),)) for call in calls])
        self.turns.append(turn)
        slots = [_Slot(turn, index, call) for index, call in enumerate(calls)]
        self._latest = deque(slots)
        # A later call with the same id is the one that later results answer.
        by_id: _Slots = {}
        for slot in slots:
            by_id.setdefault(slot.call.raw.get("id") or slot.call.id, deque()).append(slot)
            self._by_name.setdefault(slot.call.name, deque()).append(slot)
        self._by_id |= by_id

    def _calls(self, message: JSON, param: str) -> Iterator[Call]:
        for number, call in enumerate(message.get("tool_calls") or ()):
            if not (function := call.get("function")):
                raise errors.BadRequest(
                    "Only tool calls of type 'function' can be translated.",
                    param=f"{param}.tool_calls[{number}]",
                    code="unsupported_value",
                )
            id_ = self._unique_id(call.get("id"))
            yield Call(id_, function["name"], read_arguments(function.get("arguments")), call)
        if function := message.get("function_call"):
            yield Call(
                self._unique_id(None), function["name"], read_arguments(function.get("arguments")), function
            )

    def _read_result(self, id_: str | None, message: JSON, param: str) -> None:
        parts = tuple(part for part in _content(message, param) if isinstance(part, Text | Media))
        if slot := self._slot(id_, message.get("name")):
            slot.set_result(parts, message)
        else:
            name = message.get("tool_call_id") or message.get("name")
            self._add("user", [Text(f"Result of the tool call {name}:"), *parts], {})

    def _slot(self, id_: str | None, name: str | None) -> _Slot | None:
        """The unanswered call of a result: by its id, else by its name, else the next one."""
        if id_:
            return _next(self._by_id.get(id_))
        if name:
            return _next(self._by_name.get(name))
        return _next(self._latest)

    def _unique_id(self, id_: str | None) -> str:
        """The client's id of a call; another one if it has none, or if an earlier call has the same."""
        unique = id_
        while not unique or unique in self._ids:
            self._generated += 1
            unique = f"{id_ or 'call'}_{self._generated}"
        self._ids.add(unique)
        return unique


def _next(slots: deque[_Slot] | None) -> _Slot | None:
    """The first slot without an answer; the answered ones before it are dropped."""
    while slots:
        if not slots[0].has_result:
            return slots[0]
        slots.popleft()
    return None


def read_arguments(arguments: str | JSON | None) -> JSON:
    """Return the arguments of a call as an object; models write other JSON, too."""
    if isinstance(arguments, dict):
        return arguments
    if not arguments or not arguments.strip():
        return {}
    try:
        value = msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}


_TEXT_FIELDS: Final = ("cache_control", "extra_content")
"""Fields of a message that belong to its text where the content is a string."""


def _content(message: JSON, param: str) -> Iterator[Part]:
    content = message.get("content")
    if isinstance(content, str):
        if content:
            yield Text(content, {name: message[name] for name in _TEXT_FIELDS if message.get(name)})
        return
    for number, part in enumerate(content or ()):
        yield from _part(part, f"{param}.content[{number}]")


def _images(message: JSON, param: str) -> Iterator[Media]:
    """The `images` of an answer of ours that comes back; OpenAI has no such field."""
    for number, image in enumerate(items(message.get("images"))):
        link = image.get("image_url")
        if isinstance(link, dict) and isinstance(link.get("url"), str):
            yield _linked_media("image", image, {"url": link["url"]}, f"{param}.images[{number}]")


def _part(part: JSON, param: str) -> Iterator[Part]:
    match part.get("type", "text"):  # where only texts may be, the schema requires no type
        case "text" | "input_text" if part["text"]:
            yield Text(part["text"], part)
        case "refusal" if part["refusal"]:
            yield Text(part["refusal"], part)
        case "thinking" | "redacted_thinking":
            yield Thinking(part)
        case "image_url" | "video_url" as kind:
            yield _linked_media("image" if kind == "image_url" else "video", part, part[kind], param)
        case "input_audio":
            audio = part["input_audio"]
            yield _media(
                audio["data"], _FileInfo("audio", audio_media_type(audio.get("format")), part, param)
            )
        case "audio_input":
            audio = part["audio_input"]
            yield _media(
                audio["audio_input"], _FileInfo("audio", audio_media_type(audio.get("format")), part, param)
            )
        case "file":
            yield _file(part, part["file"], param)
        case "document":
            yield from _document(part, param)
        case "search_result" if joined := _join(part.get("content")):
            yield Text(joined, part)
        case str(kind) if kind == "server_tool_use" or kind.endswith("_tool_result"):
            yield ServerTool(part)


def _linked_media(kind: MediaKind, part: JSON, link: str | JSON, param: str) -> Media:
    if isinstance(link, str):
        link = {"url": link}
    return _media(link["url"], _FileInfo(kind, link.get("format"), part, param))


def _file(part: JSON, file: JSON, param: str) -> Media:
    source = file.get("file_data") or file.get("file_id")
    if not source:
        raise errors.BadRequest("A file part needs 'file_data' or 'file_id'.", param=f"{param}.file")
    return _media(source, _FileInfo("file", file.get("format"), part, param, file.get("filename")))


# Anthropic's parts, https://platform.claude.com/docs/en/api/messages


def _document(part: JSON, param: str) -> Iterator[Text | Media]:
    """Anthropic's `document`: a file, or texts."""
    source, title = part.get("source"), part.get("title")
    title = title if isinstance(title, str) else None
    match source:
        case {"type": "base64", "data": str(data), "media_type": str(media_type)}:
            yield _media(data, _FileInfo("file", media_type, part, param, title))
        case {"type": "url", "url": str(url), **fields}:
            declared = text(fields.get("media_type")) or None
            yield _media(url, _FileInfo("file", declared, part, param, title))
        case {"type": "text", "data": str(data)}:
            yield Media(
                "file", "text/plain", base64.b64encode(data.encode()).decode(), None, title, param, part
            )
        case {"type": "content", "content": content} if joined := _join(content):
            yield Text(joined, part)
        case _:
            raise errors.BadRequest(
                f"Invalid value for '{param}.source': expected base64, text, url or content.",
                param=f"{param}.source",
                code="invalid_value",
            )


def _join(content: Any) -> str:
    """The text of a string, or of text blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


# Files

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")

_YOUTUBE: Final = re.compile(r"https://(?:(?:www\.|m\.)?youtube\.com|youtu\.be)/")

LINK_KEYS: Final = {
    "audio_input": ("audio_input",),
    "document": ("url",),
    "file": ("file_data", "file_id"),
    "image_url": ("url",),
    "input_audio": ("data",),
    "video_url": ("url",),
}
"""Type of a part with a file → the keys of its source that may hold a URL."""


def source_key(kind: str) -> str:
    """Return the key of a part's source: its type, except for Anthropic's types."""
    return "source" if kind == "document" else kind


def media_type_of_url(url: str, declared: str | None = None, name: str | None = None) -> str | None:
    """Return the type of the file at a URL, from the client's declaration or the name."""
    if media_type := media_types.normalize(declared):
        return media_type
    if _YOUTUBE.match(url):
        return "video/mp4"
    path = url if url[:5].lower() == "gs://" else urlsplit(url).path
    return media_types.of_name(path) or media_types.of_name(name)


def media_type(media: Media) -> str:
    """Return the media type of a file; raises `BadRequest` if it is not known."""
    if media.mime:
        return media.mime
    raise errors.BadRequest(
        "The media type of this file is not known: give it beside the URL or data, as 'format' ('media_type' "
        "in Anthropic's API, 'mimeType' in Gemini's).",
        param=media.param,
        code="invalid_value",
    )


class _FileInfo(NamedTuple):
    """Facts about a file beside its content; `declared` is the client's media type."""

    kind: MediaKind
    declared: str | None
    part: JSON
    param: str
    name: str | None = None


def _media(source: str, info: _FileInfo) -> Media:
    """Return the file of a data URI, a URL or base64; raises `BadRequest`."""
    source = source.strip()
    if source[:5].lower() == "data:":
        in_header, data = _read_data_uri(source, info.param)
        return _inline(data, info._replace(declared=info.declared or in_header))
    scheme = source.partition(":")[0].lower() if "://" in source[:12] else ""
    if scheme in {"gs", "https", "http"}:
        try:
            media_type = media_type_of_url(source, info.declared, info.name)
        except ValueError:
            raise errors.BadRequest("The URL is not valid.", param=info.param, code="invalid_value") from None
        return Media(info.kind, media_type, None, source, info.name, info.param, info.part)
    if scheme or info.kind in {"image", "video"}:
        raise errors.BadRequest(
            "A file must be a data URI, or a gs:// or https:// URL.", param=info.param, code="invalid_value"
        )
    return _inline(_checked_base64(source, info.param), info)


def _inline(data: str, info: _FileInfo) -> Media:
    """Return the file with base64 `data`, and its media type if anything names it."""
    media_type = (
        media_types.of_base64(data)
        or media_types.normalize(info.declared)
        or media_types.of_name(info.name)
        or media_types.of_recording(data, info.kind)
    )
    return Media(info.kind, media_type, data, None, info.name, info.param, info.part)


def _read_data_uri(uri: str, param: str) -> tuple[str | None, str]:
    """The media type and the base64 of a data URI."""
    header, comma, data = uri[5:].partition(",")
    if not comma:
        raise errors.BadRequest("The data URI has no ','.", param=param, code="invalid_value")
    media_type, *parameters = header.split(";")
    if not parameters or parameters[-1].strip().lower() != "base64":
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return media_type or None, _checked_base64(data, param)


def _checked_base64(data: str, param: str) -> str:
    """The base64 without the line breaks and spaces that MIME encoders write."""
    if not _BASE64.fullmatch(data):
        data = "".join(data.split())
    if not _BASE64.fullmatch(data) or len(data.rstrip("=")) % 4 == 1:
        raise errors.BadRequest("The file is not valid base64.", param=param, code="invalid_base64")
    return data


AUDIO_TYPES: Final = {
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "m4a": "audio/m4a",
    "mp3": "audio/mp3",
    "mp4": "audio/mp4",
    "mpeg": "audio/mpeg",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "pcm": "audio/pcm",
    "pcm16": "audio/pcm",
    "wav": "audio/wav",
    "webm": "audio/webm",
}
"""OpenAI's `format` of an audio → its media type."""


def audio_media_type(name: str | None) -> str | None:
    """Return the media type for an audio `format`; Google's dialect has a media type there."""
    return name if name is None or "/" in name else AUDIO_TYPES.get(name.lower(), f"audio/{name.lower()}")


def texts(parts: Iterable[Any]) -> list[str]:
    """Return the texts among parts."""
    return [part.text for part in parts if isinstance(part, Text)]


def reject_media(turns: Iterable[Turn]) -> None:
    """Raise `BadRequest` for a file, for publishers that take none."""
    for turn in turns:
        for part in turn.parts:
            inner = part.parts if isinstance(part, Result) else (part,)
            for media in inner:
                if isinstance(media, Media):
                    raise errors.BadRequest(
                        f"This model takes no {media.kind}.", param=media.param, code="unsupported_value"
                    )
