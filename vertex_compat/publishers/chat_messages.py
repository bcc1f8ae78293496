"""OpenAI's messages, read: turns of a user and a model, in an order that every publisher takes.

Clients send what OpenAI lets pass: several messages of one role in a row, an assistant first, tool results
out of order, late, twice or never, empty texts. The meaning is clear, so it is repaired here, once:

* consecutive messages of a role are one turn, and what is empty is gone;
* a turn with calls is followed at once by a `tool` turn with one result a call, in the calls' order; a result
  that never came says so; one that answers no call is told by the user as a text;
* a file in any of OpenAI's, Google's and LiteLLM's forms is a `Media`.

What a part means to one publisher alone (`cache_control`, `extra_content`, `detail` …) stays in its `given`.
"""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from vertex_compat import errors, ids
from vertex_compat.types import JSON

NO_RESULT: Final = "No result was given for this call."

Kind: TypeAlias = Literal["image", "audio", "video", "file"]


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not empty."""

    text: str
    given: JSON = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """A file: its `data` (base64) or its `uri` (`gs://`, `https://`). `mime` is None if nothing tells."""

    kind: Kind
    mime: str | None
    data: str | None
    uri: str | None
    name: str | None
    place: str
    given: JSON = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thinking:
    """A `thinking` or `redacted_thinking` block of Claude's, given back by the client."""

    given: JSON


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the model made; `given` is the client's tool call."""

    id: str
    name: str
    arguments: JSON
    given: JSON = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call; `given` is the client's message, empty if there is none."""

    call: Call
    parts: tuple[Text | Media, ...]
    given: JSON = field(default_factory=dict)


Part: TypeAlias = Text | Media | Thinking | Call | Result


@dataclass(slots=True)
class Turn:
    """`role` is `system`, `user`, `assistant` or `tool`; `parts` is never empty."""

    role: str
    parts: list[Part]
    given: JSON = field(default_factory=dict)


def read(messages: list[JSON]) -> list[Turn]:
    """The turns, system messages in their places; raises `BadRequest`."""
    reader = _Reader()
    for number, message in enumerate(messages):
        reader.take(message, f"messages[{number}]")
    return reader.turns()


def hoist(turns: Iterable[Turn]) -> tuple[list[Text], list[Turn]]:
    """The system's texts, all of them, and the other turns, those of one role that now meet made one."""
    system: list[Text] = []
    rest: list[Turn] = []
    for turn in turns:
        if turn.role == "system":
            system += [part for part in turn.parts if isinstance(part, Text)]
        else:
            add(rest, turn)
    return system, rest


def add(turns: list[Turn], turn: Turn) -> None:
    """Append `turn`, or its parts to a last turn of the same role; results stay with their calls."""
    if turns and turns[-1].role == turn.role and turn.role != "tool":
        last = turns.pop()
        turn = Turn(turn.role, [*last.parts, *turn.parts], {**last.given, **turn.given})
    turns.append(turn)


class _Reader:
    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._open: dict[str, list[tuple[Turn, int]]] = {}  # a client's id → where its results belong
        self._ids: set[str] = set()
        self._made = 0

    def take(self, message: JSON, place: str) -> None:
        match message["role"]:
            case "system" | "developer":
                self._add("system", list(_content(message, place)), message)
            case "user":
                self._add("user", list(_content(message, place)), message)
            case "assistant":
                self._assistant(message, place)
            case "tool":
                self._result(message["tool_call_id"], message, place)
            case "function":
                self._result(self._open_call_named(message["name"]), message, place)

    def turns(self) -> list[Turn]:
        return self._turns

    def _add(self, role: str, parts: list[Part], message: JSON) -> None:
        if parts:
            add(self._turns, Turn(role, parts, message))

    def _assistant(self, message: JSON, place: str) -> None:
        parts: list[Part] = [Thinking(block) for block in message.get("thinking_blocks") or ()]
        parts += _content(message, place)
        if not any(isinstance(part, Text) for part in parts) and (refusal := message.get("refusal")):
            parts.append(Text(refusal))
        calls = list(self._calls(message, place))
        self._add("assistant", [*parts, *calls], message)
        if calls:
            results = Turn("tool", [Result(call, (Text(NO_RESULT),)) for call in calls])
            self._turns.append(results)
            waiting: dict[str, list[tuple[Turn, int]]] = {}
            for number, call in enumerate(calls):
                waiting.setdefault(call.given.get("id") or call.id, []).append((results, number))
            self._open |= waiting

    def _calls(self, message: JSON, place: str) -> Iterator[Call]:
        for number, call in enumerate(message.get("tool_calls") or ()):
            if not (function := call.get("function")):
                raise errors.BadRequest(
                    "Only tool calls of type 'function' can be translated.",
                    param=f"{place}.tool_calls[{number}]",
                    code="unsupported_value",
                )
            identity = self._id(call.get("id"))
            yield Call(identity, function["name"], arguments(function.get("arguments")), call)
        if function := message.get("function_call"):
            yield Call(self._id(None), function["name"], arguments(function.get("arguments")), function)

    def _result(self, identity: str | None, message: JSON, place: str) -> None:
        parts = tuple(part for part in _content(message, place) if isinstance(part, Text | Media))
        if identity is None or not (waiting := self._open.get(identity)):
            name = message.get("tool_call_id") or message.get("name")
            self._add("user", [Text(f"Result of the tool call {name}:"), *parts], {})
            return
        turn, number = waiting.pop(0)
        pending = turn.parts[number]
        if isinstance(pending, Result):
            turn.parts[number] = Result(pending.call, parts, message)

    def _open_call_named(self, name: str) -> str | None:
        """The id of the earliest unanswered call of `name`: OpenAI's first tools API had no ids."""
        for identity, waiting in self._open.items():
            for turn, number in waiting[:1]:
                pending = turn.parts[number]
                if isinstance(pending, Result) and pending.call.name == name:
                    return identity
        return None

    def _id(self, given: str | None) -> str:
        """The client's id of a call; another one if it has none, or if an earlier call has the same."""
        identity = given
        while not identity or identity in self._ids:
            self._made += 1
            identity = f"{given or 'call'}_{self._made}"
        self._ids.add(identity)
        return identity


def arguments(written: str | JSON | None) -> JSON:
    """The arguments of a call as the object that publishers want; a model may have written them badly."""
    if isinstance(written, dict):
        return written
    if not written or not written.strip():
        return {}
    try:
        value = msgspec.json.decode(written)
    except (ValueError, RecursionError):
        value = written
    return value if isinstance(value, dict) else {"arguments": value}


_OF_TEXT: Final = ("cache_control", "extra_content")
"""What dialects say of a text; where the content is a string, its message says it."""


def _content(message: JSON, place: str) -> Iterator[Part]:
    content = message.get("content")
    if isinstance(content, str):
        if content:
            yield Text(content, {name: message[name] for name in _OF_TEXT if message.get(name)})
        return
    for number, part in enumerate(content or ()):
        yield from _part(part, f"{place}.content[{number}]")


def _part(part: JSON, place: str) -> Iterator[Part]:
    match part.get("type", "text"):  # where nothing else may be, the schema asks for no type
        case "text" | "input_text" if part["text"]:
            yield Text(part["text"], part)
        case "refusal" if part["refusal"]:
            yield Text(part["refusal"], part)
        case "thinking" | "redacted_thinking":
            yield Thinking(part)
        case "image_url" | "video_url" as kind:
            yield _linked("image" if kind == "image_url" else "video", part, part[kind], place)
        case "input_audio":
            audio = part["input_audio"]
            yield _file("audio", audio["data"], audio_mime(audio.get("format")), part, place)
        case "audio_input":
            audio = part["audio_input"]
            yield _file("audio", audio["audio_input"], audio_mime(audio.get("format")), part, place)
        case "file":
            yield _uploaded(part, part["file"], place)
        case _:
            return


def _linked(kind: Kind, part: JSON, link: str | JSON, place: str) -> Media:
    if isinstance(link, str):
        link = {"url": link}
    return _file(kind, link["url"], link.get("format"), part, place)


def _uploaded(part: JSON, file: JSON, place: str) -> Media:
    source = file.get("file_data") or file.get("file_id")
    if not source:
        raise errors.BadRequest("A file part needs 'file_data' or 'file_id'.", param=f"{place}.file")
    return _file("file", source, file.get("format"), part, place, file.get("filename"))


_DATA_URI: Final = re.compile(r"data:(?P<mime>[^;,]*)(?P<rest>[^,]*),", re.IGNORECASE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


def _file(
    kind: Kind, source: str, mime: str | None, part: JSON, place: str, name: str | None = None
) -> Media:
    source = source.strip()
    if source.startswith(ids.FILE):
        source = _stored(source, place)
    if header := _DATA_URI.match(source):
        mime = mime or header["mime"].lower() or None
        data = source[header.end() :]
        if not header["rest"].lower().endswith(";base64"):
            data = base64.b64encode(unquote_to_bytes(data)).decode()
        return Media(kind, mime or guess(name), _checked(data, place), None, name, place, part)
    scheme = source.partition(":")[0].lower() if "://" in source[:12] else ""
    if scheme in {"gs", "https", "http"}:
        path = urlsplit(source).path if scheme != "gs" else source
        return Media(kind, mime or guess(path) or guess(name), None, source, name, place, part)
    if scheme or (kind in {"image", "video"}):
        raise errors.BadRequest(
            "A file is given as a data URI, gs:// or https:// URL.", param=place, code="invalid_value"
        )
    return Media(kind, mime or guess(name), _checked(source, place), None, name, place, part)


def _stored(file_id: str, place: str) -> str:
    if not (uri := ids.uri_of(file_id)):
        raise errors.BadRequest(f"No such File object: {file_id[:300]}", param=place, code="invalid_value")
    return uri


def _checked(data: str, place: str) -> str:
    if not _BASE64.fullmatch(data) or len(data.rstrip("=")) % 4 == 1:
        raise errors.BadRequest("The file is not valid base64.", param=place, code="invalid_base64")
    return data


AUDIO: Final = {
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

_OTHER_ENDINGS: Final = {
    ".flac": "audio/flac",
    ".flv": "video/x-flv",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".m4a": "audio/m4a",
    ".md": "text/markdown",
    ".mkv": "video/x-matroska",
    ".mp3": "audio/mp3",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".wmv": "video/wmv",
}
"""What the standard library's table misses, or names as no publisher does."""


def audio_mime(given: str | None) -> str | None:
    """OpenAI's `format` of an audio; Google's dialect puts a MIME type there."""
    return given if given is None or "/" in given else AUDIO.get(given.lower(), f"audio/{given.lower()}")


def guess(name: str | None) -> str | None:
    """The MIME type that a file's name tells."""
    if not name:
        return None
    ending = re.search(r"\.[A-Za-z0-9]{1,5}$", name)
    if ending and (known := _OTHER_ENDINGS.get(ending[0].lower())):
        return known
    return mimetypes.guess_type(name, strict=False)[0]


def texts(parts: Iterable[Any]) -> list[str]:
    """The texts among `parts`."""
    return [part.text for part in parts if isinstance(part, Text)]


def refuse_media(turns: Iterable[Turn]) -> None:
    """Raise `BadRequest` for a file, where a publisher takes none."""
    for turn in turns:
        for part in turn.parts:
            inner = part.parts if isinstance(part, Result) else (part,)
            for one in inner:
                if isinstance(one, Media):
                    raise errors.BadRequest(
                        f"This model takes no {one.kind}.", param=one.place, code="unsupported_value"
                    )
