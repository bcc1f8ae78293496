"""A conversation in Gemini's form: turns of a user and a model, files in them, calls and what came of them.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference. The first turn is the
user's, no turn is empty, and calls are followed at once by as many results, in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.publishers import chat_messages, tools
from vertex_compat.publishers.chat_messages import NO_RESULT, Call, Media, Part, Result, Text, Turn
from vertex_compat.publishers.google import models
from vertex_compat.publishers.google.chat import signatures
from vertex_compat.publishers.google.chat.options import camel
from vertex_compat.types import JSON

TOOL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
MAX_NAME: Final = 64

MIME: Final = {
    "audio": "audio/wav",
    "file": "application/pdf",
    "image": "image/jpeg",
    "video": "video/mp4",
}
"""What a file is taken for if nothing tells: Gemini asks for a type."""

RESULT_MIMES: Final = frozenset({"application/pdf", "image/jpeg", "image/png", "image/webp", "text/plain"})
"""The files that can be part of a call's result, from Gemini 3 on."""

RESOLUTIONS: Final = {
    "auto": None,
    "low": "MEDIA_RESOLUTION_LOW",
    "medium": "MEDIA_RESOLUTION_MEDIUM",
    "high": "MEDIA_RESOLUTION_HIGH",
    "original": "MEDIA_RESOLUTION_ULTRA_HIGH",
    "ultra_high": "MEDIA_RESOLUTION_ULTRA_HIGH",
}
"""`detail` → how closely Gemini looks."""

_YOUTUBE: Final = re.compile(r"https://(?:(?:www\.|m\.)?youtube\.com|youtu\.be)/")
_BLANK: Final = " "  # a part must not be empty


def write(turns: Iterable[Turn], name: str) -> JSON:
    """`contents` and `systemInstruction`."""
    system, said = chat_messages.split_system(turns)
    if system and not models.has_system(name):
        said = _fronted(system, said)
        system = []
    now = max((number for number, turn in enumerate(said) if turn.role == "user"), default=-1)
    contents = [
        {"role": role, "parts": parts}
        for number, turn in enumerate(said)
        for role, parts in _contents(turn, name, current=number > now)
        if parts
    ]
    if models.before(name, models.SEPARATE_TURNS):
        contents = _merged(contents)
    if not contents or contents[0]["role"] != "user":
        contents.insert(0, {"role": "user", "parts": [{"text": _BLANK}]})
    if system:
        return {"contents": contents, "systemInstruction": {"parts": [{"text": one.text} for one in system]}}
    return {"contents": contents}


def _fronted(system: Sequence[Text], said: Iterable[Turn]) -> list[Turn]:
    """The turns with the system's texts in front, for a model that has no system."""
    fronted = [Turn("user", list(system))]
    for turn in said:
        chat_messages.append_merged(fronted, turn)
    return fronted


def _merged(contents: Iterable[JSON]) -> list[JSON]:
    merged: list[JSON] = []
    for content in contents:
        if merged and merged[-1]["role"] == content["role"]:
            merged[-1]["parts"] += content["parts"]
        else:
            merged.append(content)
    return merged


def _contents(turn: Turn, name: str, *, current: bool) -> Iterator[tuple[str, list[JSON]]]:
    """The turn as one content, or as two if results have files that cannot be inside."""
    if turn.role == "assistant":
        yield "model", list(_said(turn, name, current=current))
    elif turn.role == "tool":
        results = [part for part in turn.parts if isinstance(part, Result)]
        yield "user", [_result(result, name) for result in results]
        yield "user", [part for result in results for part in _beside(result, name)]
    else:
        yield "user", list(_parts(turn.parts, name))


def _parts(parts: Iterable[Part], name: str) -> Iterator[JSON]:
    for part in parts:
        if isinstance(part, Text):
            yield {"text": part.text}
        elif isinstance(part, Media):
            yield _file(part) | _modifiers(part, name)


# What the model said


def _said(turn: Turn, name: str, *, current: bool) -> Iterator[JSON]:
    """The model's texts and calls, each with its signature. Claude's thoughts mean nothing to it.

    In the `current` turn, which began with the user's last text, the first call of each step must be signed.
    """
    texts = [part for part in turn.parts if isinstance(part, Text)]
    of_message = signatures.in_extra_content(turn.raw)
    if of_message and not texts:
        yield {"text": "", "thoughtSignature": of_message}
    for text in texts:
        signature = signatures.in_extra_content(text.raw) or (of_message if text is texts[-1] else None)
        thought = {"thought": True} if signatures.google(text.raw).get("thought") is True else {}
        yield {"text": text.text} | thought | _signed(signature)
    skip = signatures.SKIP if current and models.wants_signatures(name) else None
    for call in turn.parts:
        if isinstance(call, Call):
            marks = _marks(call)
            inner = {"name": legal(call.name), "args": call.arguments} | _own_id(call, name)
            yield {"functionCall": inner} | _signed(marks.signature or skip)
            skip = None


def legal(name: str) -> str:
    """A tool's name as Gemini takes it."""
    return tools.sanitize_name(name, TOOL_NAME, MAX_NAME)


def _marks(call: Call) -> signatures.CallMarks:
    return signatures.of_call(call.raw.get("id") or call.id, call.raw)


def _signed(signature: str | None) -> JSON:
    return {"thoughtSignature": signature} if signature else {}


def _own_id(call: Call, name: str) -> JSON:
    """Gemini's id of a call. Models that give none take none."""
    own = _marks(call).id
    return {"id": own} if own and models.since(name, models.GEMINI_3) else {}


# What came of calls


def _result(result: Result, name: str) -> JSON:
    told: JSON = {"name": legal(result.call.name), "response": _response(result)} | _own_id(result.call, name)
    inside = [_file(part) for part in result.parts if isinstance(part, Media) and _fits(part, name)]
    if parts := [*inside, *_native(result)]:
        told["parts"] = parts
    return {"functionResponse": told}


def _beside(result: Result, name: str) -> Iterator[JSON]:
    """The files of a result that cannot be part of it, with a word of where they come from."""
    files = [part for part in result.parts if isinstance(part, Media) and not _fits(part, name)]
    if files:
        yield {"text": f"What {result.call.name} gave as files:"}
        yield from _parts(files, name)


def _fits(media: Media, name: str) -> bool:
    return models.since(name, models.GEMINI_3) and _mime(media) in RESULT_MIMES


def _native(result: Result) -> list[JSON]:
    """Parts in Google's own form, to which the text refers as `{"$ref": displayName}`."""
    parts = signatures.google(result.raw).get("parts")
    return [camel(part) for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _response(result: Result) -> JSON:
    """A result as the object that Gemini wants. A `$ref` in it would be one to a part, so it stays text."""
    text = "\n".join(chat_messages.texts(result.parts))
    if not result.raw:
        return {"error": NO_RESULT}
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and (_native(result) or not _refers(value)):
        return value
    return {"output": text}


def _refers(value: Any) -> bool:
    if isinstance(value, dict):
        return "$ref" in value or any(map(_refers, value.values()))
    return isinstance(value, list) and any(map(_refers, value))


# Files


def _mime(media: Media) -> str:
    if media.uri and not media.mime and _YOUTUBE.match(media.uri):
        return MIME["video"]
    return media.mime or MIME[media.kind]


def _file(media: Media) -> JSON:
    if media.data is not None:
        return {"inlineData": {"mimeType": _mime(media), "data": media.data}}
    if media.uri and media.uri.startswith("http:"):
        raise errors.BadRequest(
            "Files are read from gs:// and https:// alone.", param=media.param, code="invalid_value"
        )
    return {"fileData": {"mimeType": _mime(media), "fileUri": media.uri}}


def _modifiers(media: Media, name: str) -> JSON:
    modifiers: JSON = {}
    cut = _source(media).get("video_metadata") or media.raw.get("video_metadata")
    if isinstance(cut, dict):
        modifiers["videoMetadata"] = camel(cut)
    if models.since(name, models.GEMINI_3) and (level := _resolution(media)):
        modifiers["mediaResolution"] = {"level": level}
    return modifiers


def _source(media: Media) -> JSON:
    source = media.raw.get(media.raw.get("type", ""))
    return source if isinstance(source, dict) else {}


def _resolution(media: Media) -> str | None:
    detail = _source(media).get("detail") or "auto"
    if detail not in RESOLUTIONS:
        raise errors.BadRequest(
            f"'detail' is one of {', '.join(RESOLUTIONS)}.", param=media.param, code="invalid_value"
        )
    return RESOLUTIONS[detail]


def resolution(turns: Iterable[Turn], name: str) -> str | None:
    """How closely the most important file is looked at, for models that look at all files in one way."""
    if models.since(name, models.GEMINI_3):
        return None
    wanted = [_resolution(part) for turn in turns for part in turn.parts if isinstance(part, Media)]
    found = [one for one in RESOLUTIONS.values() if one and one in wanted]
    if not found:
        return None
    return RESOLUTIONS["high"] if found[-1] == RESOLUTIONS["ultra_high"] else found[-1]
