"""The conversation as Claude reads it: `system`, and turns of blocks that alternate, the user's first.

https://docs.anthropic.com/en/api/messages. Claude has no system message in mid-conversation: one that comes
later stays where it is, as a text of the user's in `<system>` tags.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final, TypeGuard

from vertex_compat import errors
from vertex_compat.publishers import tools
from vertex_compat.publishers.anthropic import thinking
from vertex_compat.publishers.chat_messages import Call, Media, Part, Result, ServerTool, Text, Thinking, Turn
from vertex_compat.types import JSON

TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
MAX_NAME: Final = 64

IMAGES: Final = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
_TEXTS: Final = re.compile(r"text/.+|application/(?:json|xml|x-yaml|yaml|javascript)")
_PDF: Final = "application/pdf"

_CALL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_SYSTEM: Final = "<system>\n{}\n</system>"
_BEFORE_THE_FIRST: Final = "."  # a text must not be blank
_AFTER_THE_LAST: Final = "Go on."
_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})


def write(turns: list[Turn]) -> tuple[list[JSON], list[JSON]]:
    """The blocks of `system`, and the messages."""
    first = next((place for place, turn in enumerate(turns) if turn.role != "system"), len(turns))
    system = [_text(part) for turn in turns[:first] for part in turn.parts if _is_said(part)]
    messages: list[JSON] = []
    for turn in turns[first:]:
        _add(messages, "assistant" if turn.role == "assistant" else "user", list(_blocks(turn)))
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, _said_by_user(_BEFORE_THE_FIRST))
    return system, messages


def _add(messages: list[JSON], role: str, blocks: list[JSON]) -> None:
    """Append blocks to a last message of the same role, or as a new one."""
    while role == "assistant" and blocks and blocks[-1]["type"] in _THOUGHTS:
        blocks.pop()  # a message must not end in thoughts
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"] += blocks
    elif blocks:
        messages.append({"role": role, "content": blocks})


def close(messages: list[JSON], *, prefill: bool) -> None:
    """End with the user's word, or with the model's own where it goes on from there."""
    last = messages[-1]["content"][-1]
    if messages[-1]["role"] == "user":
        return
    if prefill and last["type"] == "text":
        last["text"] = last["text"].rstrip()  # must not end in a space
    else:
        messages.append(_said_by_user(_AFTER_THE_LAST))


def lack_thoughts(messages: list[JSON]) -> bool:
    """Whether the model's last message made calls, and the thoughts before them are not there any more."""
    spoken = [message["content"] for message in messages if message["role"] == "assistant"]
    kinds = [block["type"] for block in spoken[-1]] if spoken else []
    return "tool_use" in kinds and kinds[0] not in _THOUGHTS


def _said_by_user(text: str) -> JSON:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _blocks(turn: Turn) -> Iterator[JSON]:
    for part in turn.parts:
        match part:
            case Text() if turn.role == "system":
                if _is_said(part):
                    yield _text(part) | {"text": _SYSTEM.format(part.text)}
            case Thinking():
                if thinking.is_own(part.raw):
                    yield _thought(part.raw)
            case Call():
                name = tools.sanitize_name(part.name, TOOL_NAME, MAX_NAME)
                used = {"type": "tool_use", "id": call_id(part.id), "name": name, "input": part.arguments}
                yield used | _cached(part.raw)
            case Result():
                yield _result(part)
            case ServerTool():
                yield dict(part.raw)
            case _:
                yield from _shown(part)


def _is_said(part: Part) -> TypeGuard[Text]:
    return isinstance(part, Text) and bool(part.text.strip())


def _shown(part: Text | Media) -> Iterator[JSON]:
    """A block that may stand in a message and in a result; a blank text may not."""
    if isinstance(part, Media):
        yield _file(part) | _cached(part.raw)
    elif part.text.strip():
        yield _text(part)


def _text(part: Text) -> JSON:
    return {"type": "text", "text": part.text} | _cached(part.raw)


def _cached(given: JSON) -> JSON:
    return {"cache_control": given["cache_control"]} if given.get("cache_control") else {}


def _thought(block: JSON) -> JSON:
    """The block as it was given out: clients add keys to it."""
    return {name: block[name] for name in ("type", "thinking", "signature", "data") if name in block}


def _result(result: Result) -> JSON:
    block: JSON = {"type": "tool_result", "tool_use_id": call_id(result.call.id)}
    if content := [shown for part in result.parts for shown in _shown(part)]:
        block["content"] = content
    if result.raw.get("is_error") is True:
        block["is_error"] = True
    return block | (_cached(result.raw) if not any("cache_control" in one for one in content) else {})


def call_id(identity: str) -> str:
    """The id of a call as Claude takes it: its own as they are, another publisher's made over."""
    if _CALL_ID.fullmatch(identity):
        return identity
    return f"toolu_{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def called(turns: Iterable[Turn]) -> list[str]:
    """The names of the tools that have been called, each once."""
    return list(dict.fromkeys(part.name for turn in turns for part in turn.parts if isinstance(part, Call)))


def _file(media: Media) -> JSON:
    mime = _type(media)
    if media.uri and not media.uri.lower().startswith("https://"):
        raise _refused(
            media, "Claude reads no gs:// or http:// links: give the file as a data URI or https:// link"
        )
    if mime in IMAGES or (media.kind == "image" and mime is None and media.uri):
        return {"type": "image", "source": _source(media, mime)}
    if mime == _PDF:
        return _document(media, _source(media, mime))
    if mime and _TEXTS.fullmatch(mime) and media.data:
        return _document(media, {"type": "text", "media_type": "text/plain", "data": _decoded(media)})
    raise _refused(
        media, f"Claude takes JPEG, PNG, GIF, WebP, PDF and text, not {mime or 'a file of no known type'}"
    )


def _type(media: Media) -> str | None:
    if media.mime is None and (media.data or "").startswith("JVBERi"):  # %PDF
        return _PDF
    return "image/jpeg" if media.mime == "image/jpg" else media.mime


def _document(media: Media, source: JSON) -> JSON:
    return {"type": "document", "source": source} | ({"title": media.name} if media.name else {})


def _source(media: Media, mime: str | None) -> JSON:
    if media.data is None:
        return {"type": "url", "url": media.uri}
    return {"type": "base64", "media_type": mime, "data": _standard(media.data)}


def _standard(data: str) -> str:
    """Base64 in the one spelling that Claude takes."""
    data = data.rstrip("=").replace("-", "+").replace("_", "/")
    return data + "=" * (-len(data) % 4)


def _decoded(media: Media) -> str:
    try:
        text = base64.b64decode(_standard(media.data or "")).decode()
    except ValueError:
        raise _refused(media, "The file says that it is text, but it is not UTF-8") from None
    if not text.strip():
        raise _refused(media, "The file is empty")
    return text


def _refused(media: Media, why: str) -> errors.BadRequest:
    return errors.BadRequest(f"{why}.", param=media.param, code="unsupported_value")
