"""Messages as Gemini's contents: turns of user and model, with files, calls and results.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference. The first turn is the
user's, no turn is empty, and the results of calls follow directly after them, one each, in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.model_profile import ModelProfile
from vertex_compat.publishers import chat_messages, tools
from vertex_compat.publishers.chat_messages import (
    IMAGES_ONLY,
    NO_RESULT,
    Call,
    Media,
    Part,
    Result,
    Text,
    Turn,
)
from vertex_compat.publishers.google.chat import signatures
from vertex_compat.publishers.google.chat.options import to_camel_case
from vertex_compat.publishers.google.generate_content import with_style
from vertex_compat.types import JSON

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

TOOL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
MAX_NAME_LENGTH: Final = 64

RESULT_MIME_TYPES: Final = frozenset(
    {"application/pdf", "image/jpeg", "image/png", "image/webp", "text/plain"}
)
"""The files that can be part of a function response."""

RESOLUTIONS: Final = {
    "auto": None,
    "low": "MEDIA_RESOLUTION_LOW",
    "medium": "MEDIA_RESOLUTION_MEDIUM",
    "high": "MEDIA_RESOLUTION_HIGH",
    "original": "MEDIA_RESOLUTION_ULTRA_HIGH",
    "ultra_high": "MEDIA_RESOLUTION_ULTRA_HIGH",
}
"""`detail` → `mediaResolution`."""

GO_ON: Final = "Go on."
"""The user's turn after a model's, for models that refuse contents without it."""

_BLANK: Final = " "  # a part must not be empty


def write(
    turns: Iterable[Turn], profile: ModelProfile, instructions: Sequence[str] = ()
) -> wire.GenerateContentRequest:
    """Return a request with `contents` and `systemInstruction`.

    `instructions` are added to the system's texts.
    """
    system, other_turns = chat_messages.split_system(turns)
    system += [Text(instruction) for instruction in instructions]
    if system and not profile.takes_system_instruction:
        other_turns = _prepend_system(system, other_turns)
        if "speech" in profile.operations:
            other_turns[0] = _speech_turn(other_turns[0], len(system), profile)
        system = []
    contents = _contents(other_turns, profile)
    if not profile.takes_consecutive_turns:
        contents = _merge_roles(contents)
    if not contents or contents[0]["role"] != "user":
        contents.insert(0, {"role": "user", "parts": [{"text": _BLANK}]})
    if profile.must_end_with_user and contents[-1]["role"] == "model":
        contents.append({"role": "user", "parts": [{"text": GO_ON}]})
    if system:
        return {
            "contents": contents,
            "systemInstruction": {"parts": [{"text": text.text} for text in system]},
        }
    return {"contents": contents}


def _prepend_system(system: Sequence[Text], turns: Sequence[Turn]) -> list[Turn]:
    """Return the turns with the system's texts in the first user turn."""
    merged = [Turn("user", list(system))]
    for turn in turns:
        chat_messages.append_merged(merged, turn)
    return merged


def _speech_turn(turn: Turn, system_parts: int, profile: ModelProfile) -> Turn:
    """Return a user turn whose first parts, the system's texts, are the style of its speech."""
    style = "\n".join(chat_messages.texts(turn.parts[:system_parts]))
    parts: list[Part] = []
    for part in turn.parts[system_parts:]:
        if style and isinstance(part, Text):
            parts.append(_style_text(part, style, profile))
            style = ""
        else:
            parts.append(part)
    return Turn(turn.role, parts or turn.parts, turn.raw)


def _style_text(text: Text, style: str, profile: ModelProfile) -> Text:
    if profile.takes_speech_metadata:
        return Text(text.text, {"speech_metadata": {"style": style}})
    return Text(with_style(style, text.text), text.raw)


def _contents(turns: Sequence[Turn], profile: ModelProfile) -> list[wire.Content]:
    last_user = max((number for number, turn in enumerate(turns) if turn.role == "user"), default=-1)
    return [
        {"role": role, "parts": parts}
        for number, turn in enumerate(turns)
        for role, parts in _turn(turn, profile, current=number > last_user)
        if parts
    ]


def _merge_roles(contents: Iterable[wire.Content]) -> list[wire.Content]:
    merged: list[wire.Content] = []
    for content in contents:
        if merged and merged[-1]["role"] == content["role"]:
            merged[-1]["parts"] += content["parts"]
        else:
            merged.append(content)
    return merged


def _turn(turn: Turn, profile: ModelProfile, *, current: bool) -> Iterator[tuple[wire.Role, list[wire.Part]]]:
    """Yield role and parts of a turn: twice if results have files that cannot be inside."""
    if turn.role == "assistant":
        yield "model", list(_model_parts(turn, profile, current=current))
    elif turn.role == "tool":
        results = [part for part in turn.parts if isinstance(part, Result)]
        yield "user", [_function_response(result, profile) for result in results]
        yield "user", [part for result in results for part in _separate_files(result, profile)]
    else:
        yield "user", list(_user_parts(turn.parts, profile))


def _user_parts(parts: Iterable[Part], profile: ModelProfile) -> Iterator[wire.Part]:
    for part in parts:
        if isinstance(part, Text):
            text_part: wire.Part = {"text": part.text}
            if "speech" in profile.operations and (metadata := part.raw.get("speech_metadata")):
                text_part["speechMetadata"] = metadata
            yield text_part
        elif isinstance(part, Media):
            yield _file(part) | _modifiers(part, profile)


# The model's turns


def _model_parts(turn: Turn, profile: ModelProfile, *, current: bool) -> Iterator[wire.Part]:
    """Yield the model's texts, images and calls, each with its signature.

    Claude's thoughts are left out. In the `current` turn, which began with the user's last text, the first
    call of each step must be signed.
    """
    texts = [part for part in turn.parts if isinstance(part, Text) and part is not IMAGES_ONLY]
    calls = [part for part in turn.parts if isinstance(part, Call)]
    of_message = signatures.in_extra_content(turn.raw)
    skip = signatures.SKIP if profile.signs_all_parts else None
    for text in texts:
        signature = signatures.in_extra_content(text.raw) or (of_message if text is texts[-1] else None)
        yield _model_text(text) | _signature_field(signature or skip)
    for image in turn.images:
        yield _file(image) | _signature_field(signatures.in_extra_content(image.raw) or skip)
    unplaced = None if texts else of_message
    if unplaced and not calls:
        yield {"text": "", "thoughtSignature": unplaced}
    skip = unplaced or (signatures.SKIP if current and profile.requires_signatures else None)
    for call in calls:
        yield _function_call(call, profile) | _signature_field(_marks(call).signature or skip)
        skip = None


def _model_text(text: Text) -> wire.Part:
    part: wire.Part = {"text": text.text}
    if signatures.google(text.raw).get("thought") is True:
        part["thought"] = True
    return part


def _function_call(call: Call, profile: ModelProfile) -> wire.Part:
    function_call: wire.FunctionCall = {"name": sanitize(call.name), "args": call.arguments}
    if profile.has_call_ids:
        function_call["id"] = _call_id(call)
    return {"functionCall": function_call}


def sanitize(name: str) -> str:
    """Return a tool's name that Gemini accepts."""
    return tools.sanitize_name(name, TOOL_NAME, MAX_NAME_LENGTH)


def _marks(call: Call) -> signatures.CallMarks:
    return signatures.of_call(call.raw.get("id") or call.id, call.raw)


def _signature_field(signature: str | None) -> wire.Part:
    return {"thoughtSignature": signature} if signature else {}


def _call_id(call: Call) -> str:
    """Return Gemini's id of a call, else the client's; call and result have the same one.

    Models before Gemini 3 refuse the field.
    """
    return _marks(call).id or signatures.short_id(call.id)


# Results of calls


def _function_response(result: Result, profile: ModelProfile) -> wire.Part:
    response: wire.FunctionResponse = {"name": sanitize(result.call.name), "response": _result(result)}
    if profile.has_call_ids:
        response["id"] = _call_id(result.call)
    files = [_file(part) for part in result.parts if isinstance(part, Media) and _fits_inside(part, profile)]
    parts: list[wire.Part | JSON] = [*files, *_native_parts(result)]
    if parts:
        response["parts"] = parts
    return {"functionResponse": response}


def _separate_files(result: Result, profile: ModelProfile) -> Iterator[wire.Part]:
    """Yield the files of a result that cannot be inside it, after a text about their origin."""
    files = [part for part in result.parts if isinstance(part, Media) and not _fits_inside(part, profile)]
    if files:
        yield {"text": f"Files returned by {result.call.name}:"}
        yield from _user_parts(files, profile)


def _fits_inside(media: Media, profile: ModelProfile) -> bool:
    return profile.takes_media_in_results and media.mime in RESULT_MIME_TYPES


def _native_parts(result: Result) -> list[JSON]:
    """Return parts in Google's own form, to which the text refers as `{"$ref": displayName}`."""
    parts = signatures.google(result.raw).get("parts")
    return (
        [to_camel_case(part) for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    )


def _result(result: Result) -> JSON:
    """Return a result as an object; Gemini's keys for any result are `output` and `error`.

    `$ref` in it would be a reference to a part, so a result that has one is sent as text.
    """
    text = "\n".join(chat_messages.texts(result.parts))
    if not result.raw:
        return {"error": NO_RESULT}
    if result.failed:
        return {"error": text}
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and (_native_parts(result) or not _has_references(value)):
        return value
    return {"output": text}


def _has_references(value: Any) -> bool:
    if isinstance(value, dict):
        return "$ref" in value or any(map(_has_references, value.values()))
    return isinstance(value, list) and any(map(_has_references, value))


# Files


def _file(media: Media) -> wire.Part:
    if media.data is not None:
        return {"inlineData": {"mimeType": chat_messages.media_type(media), "data": media.data}}
    if media.uri and media.uri.startswith("http:"):
        raise errors.BadRequest(
            "Files must have a gs:// or https:// URL.", param=media.param, code="invalid_value"
        )
    return {"fileData": {"mimeType": chat_messages.media_type(media), "fileUri": media.uri}}


def _modifiers(media: Media, profile: ModelProfile) -> wire.Part:
    modifiers: wire.Part = {}
    clip = _source(media).get("video_metadata") or media.raw.get("video_metadata")
    if isinstance(clip, dict):
        modifiers["videoMetadata"] = to_camel_case(clip)
    if profile.takes_resolution_per_part and (level := _resolution(media)):
        modifiers["mediaResolution"] = {"level": level}
    return modifiers


def _source(media: Media) -> JSON:
    source = media.raw.get(media.raw.get("type", ""))
    return source if isinstance(source, dict) else {}


def _resolution(media: Media) -> str | None:
    detail = _source(media).get("detail") or "auto"
    if detail not in RESOLUTIONS:
        raise errors.BadRequest(
            f"'detail' must be one of {', '.join(RESOLUTIONS)}.", param=media.param, code="invalid_value"
        )
    return RESOLUTIONS[detail]


def resolution(turns: Iterable[Turn], profile: ModelProfile) -> str | None:
    """Return the highest `detail` of all files, for models with one resolution for all."""
    if profile.takes_resolution_per_part:
        return None
    details = {_resolution(part) for turn in turns for part in turn.parts if isinstance(part, Media)}
    ascending = [level for level in RESOLUTIONS.values() if level in details and level]
    if not ascending:
        return None
    return RESOLUTIONS["high"] if ascending[-1] == RESOLUTIONS["ultra_high"] else ascending[-1]
