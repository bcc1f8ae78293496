"""Requests in OpenAI's form: to Mistral, Jamba, MaaS models and deployed models.

A conversation may have begun with another publisher. Messages are written anew from the turns, so no field of
a dialect (`thinking_blocks`, `extra_content`, `cache_control`) reaches a server that refuses it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NoReturn

import msgspec
from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.json_values import items, mapping, member, text
from vertex_compat.publishers import chat_messages, parameters, tools
from vertex_compat.publishers.chat_messages import Call, Media, Result, ServerTool, Text, Thinking, Turn
from vertex_compat.publishers.openai_compat import openai_response
from vertex_compat.publishers.openai_compat.request_types import (
    ChatFields,
    FunctionDefinition,
    JSONSchemaFormat,
    Message,
    ResponseFormat,
    Tool,
    ToolCall,
)
from vertex_compat.publishers.tools import Function, Tools
from vertex_compat.types import JSON, ChatAdapter, ClientRequest, Model, UpstreamCall

NEVER_SENT: Final = frozenset(
    {
        "anthropic_beta",
        "auto_cache",
        "cached_content",
        "context_management",
        "google",
        "metadata",
        "moderation",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "safety_settings",
        "service_tier",
        "store",
        "thinking",
        "user",
        "verbosity",
    }
)
"""Parameters between a client and OpenAI, or of another publisher, which mean nothing to other models."""

TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
MAX_NAME: Final = 64
_MAX_ID: Final = 64

PLACEHOLDER: Final = "."
"""The content of a message that has to be there and has nothing to say: it must not be empty."""

DEFAULT_SCHEMA_NAME: Final = "response"
"""The name of a JSON Schema for which the client gives none: servers require one."""

_SYSTEM: Final = "<system>\n{}\n</system>"
_FILE_FOLLOWS: Final = "[The {} is in the next message.]"
_FILE_OMITTED: Final = "[The {} is left out: this model does not read it.]"
_RESULT_OF: Final = "Result of the tool call {}:"
_FAILED: Final = "Error:"
"""First line of the result of a call that failed: OpenAI's form has no field for it."""


def chat(request: Callable[[JSON, Model], UpstreamCall], *, supports_n: bool = True) -> ChatAdapter:
    """Return the adapter of a publisher whose answers `openai_response` reads."""
    return ChatAdapter(request, openai_response.response, openai_response.stream, supports_n)


def common_fields(client: ClientRequest) -> ChatFields:
    """Return the fields that all of these servers share, and that OpenAI has in several forms."""
    fields: ChatFields = {}
    if limit := parameters.clamped_max_tokens(client):
        fields["max_tokens"] = limit
    if stop := parameters.stop(client.body):
        fields["stop"] = stop
    if client.body.get("stream"):
        fields["stream"] = True
    return fields


def response_format(params: JSON) -> ChatFields:
    """Return `response_format` without nulls and LiteLLM's fields, its schema with a name."""
    form = params.get("response_format") or {}
    if not form:
        return {}
    response_format: ResponseFormat = {"type": form["type"]}
    if form["type"] == "json_schema" or "response_schema" in form:  # LiteLLM's `json_object` with a schema
        response_format = {"type": "json_schema", "json_schema": _json_schema(form)}
    return {"response_format": response_format}


def _json_schema(form: JSON) -> JSONSchemaFormat:
    requested = mapping(form.get("json_schema"))
    schema_format: JSONSchemaFormat = {"name": text(requested.get("name")) or DEFAULT_SCHEMA_NAME}
    if isinstance(schema := requested.get("schema", form.get("response_schema")), dict):
        schema_format["schema"] = schema
    if description := text(requested.get("description")):
        schema_format["description"] = description
    if isinstance(strict := requested.get("strict"), bool):
        schema_format["strict"] = strict
    return schema_format


def unversioned_name(model: Model) -> str:
    """Return the model's name for a body, without the version that is in the URL."""
    return model.name.partition("@")[0]


# Messages


def call_id(id_: str) -> str:
    """Return the id of a call; a hash of one so long that it holds a publisher's state."""
    if len(id_) <= _MAX_ID:
        return id_
    return f"call_{hashlib.sha256(id_.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def no_media(media: Media) -> NoReturn:
    """Raise `BadRequest` for a file, for a model that reads text alone."""
    raise errors.BadRequest(f"This model takes no {media.kind}.", param=media.param, code="unsupported_value")


def takes_nothing(_: Media) -> bool:
    """Return False: a model reads text alone."""
    return False


class MessageFormat(msgspec.Struct, frozen=True):
    """The form in which a server takes messages."""

    write_media: Callable[[Media], JSON] = no_media
    """Writes a file as a part; raises `BadRequest` for one that the server does not take."""
    takes_media: Callable[[Media], bool] = takes_nothing
    """Returns whether a file in a tool's result can be shown to the model."""
    call_id: Callable[[str], str] = call_id
    """Makes an id that the server accepts."""
    write_reasoning: Callable[[Message, str], None] | None = None
    """Adds the model's earlier reasoning to an assistant message, where the server reads it again."""


def reasoning_field(message: Message, reasoning: str) -> None:
    """Add earlier reasoning to a message as `reasoning_content`."""
    message["reasoning_content"] = reasoning


def merged_system(turns: list[Turn]) -> list[Turn]:
    """Return the turns with all system texts in one system turn at the front."""
    system, other_turns = chat_messages.split_system(turns)
    return [_system(system), *other_turns] if system else other_turns


def system_first(turns: list[Turn]) -> list[Turn]:
    """Return the turns with one system turn at the front; later system texts become the user's.

    The chat templates of Qwen 3.5 and later and of Gemma refuse a system message anywhere else.
    """
    start = next((number for number, turn in enumerate(turns) if turn.role != "system"), len(turns))
    system, _ = chat_messages.split_system(turns[:start])
    changed = [_system(system)] if system else []
    for turn in turns[start:]:
        if turn.role == "system":
            texts = [Text(_SYSTEM.format(content)) for content in chat_messages.texts(turn.parts)]
            turn = Turn("user", [*texts])  # noqa: PLW2901 - the turn in the user's role
        chat_messages.append_merged(changed, Turn(turn.role, [*turn.parts], {**turn.raw}))
    return changed


def _system(texts: list[Text]) -> Turn:
    return Turn("system", [Text("\n\n".join(chat_messages.texts(texts)))])


def messages(turns: Iterable[Turn], form: MessageFormat) -> list[Message]:
    """Return the conversation as messages of OpenAI's form, at least one."""
    messages: list[Message] = []
    for turn in _without_blocks(turns):
        for message in _tool_messages(turn, form) if turn.role == "tool" else [_message(turn, form)]:
            _append(messages, message)
    return messages or [{"role": "user", "content": PLACEHOLDER}]


def dropped_fields(params: JSON, turns: list[Turn], form: MessageFormat) -> list[str]:
    """Return the names of fields of messages that are not sent: images and reasoning."""
    names = ["messages.images"] if any(turn.images for turn in turns) else []
    return names if form.write_reasoning else names + chat_messages.unread_reasoning(params["messages"])


def _reasoning(message: JSON) -> str:
    """Return the earlier reasoning in an assistant's message; OpenRouter's is a list of parts."""
    texts = [text(message.get("reasoning_content")), text(message.get("reasoning"))]
    texts.append("".join([text(part.get("text")) for part in items(message.get("reasoning_details"))]))
    return next(filter(None, texts), "")


def _without_blocks(turns: Iterable[Turn]) -> list[Turn]:
    """Return the turns without the blocks that only Claude can read."""
    readable: list[Turn] = []
    for turn in turns:
        if parts := [part for part in turn.parts if not isinstance(part, Thinking | ServerTool)]:
            chat_messages.append_merged(readable, Turn(turn.role, [*parts], {**turn.raw}))
    return readable


def _append(messages: list[Message], message: Message) -> None:
    """Append a message; two of the user's in a row become one."""
    if messages and messages[-1]["role"] == message["role"] == "user":
        message = {"role": "user", "content": [*_parts(messages.pop()), *_parts(message)]}
    messages.append(message)


def _parts(message: Message) -> list[JSON]:
    content = message.get("content", [])
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _message(turn: Turn, form: MessageFormat) -> Message:
    message: Message = {"role": turn.role}
    if content := _content(turn, form):
        message["content"] = content
    if calls := [_call(part, form) for part in turn.parts if isinstance(part, Call)]:
        message["tool_calls"] = calls
    if form.write_reasoning and turn.role == "assistant" and (reasoning := _reasoning(turn.raw)):
        form.write_reasoning(message, reasoning)
    return message


def _content(turn: Turn, form: MessageFormat) -> str | list[JSON]:
    match [part for part in turn.parts if isinstance(part, Text | Media)]:
        case [Text(content)]:
            return content
        case parts:
            return [
                form.write_media(part) if isinstance(part, Media) else {"type": "text", "text": part.text}
                for part in parts
            ]


def _call(call: Call, form: MessageFormat) -> ToolCall:
    name = tools.sanitize_name(call.name, TOOL_NAME, MAX_NAME)
    arguments = msgspec.json.encode(call.arguments).decode()
    return {
        "id": form.call_id(call.id),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _tool_messages(turn: Turn, form: MessageFormat) -> Iterator[Message]:
    """Return the results of calls, then the files in them as a message of the user's.

    A `tool` message holds text alone on these servers.
    """
    files: list[JSON] = []
    for result in turn.parts:
        if not isinstance(result, Result):
            continue
        media = [part for part in result.parts if isinstance(part, Media)]
        readable = [form.write_media(part) for part in media if form.takes_media(part)]
        notes = {True: _FILE_FOLLOWS, False: _FILE_OMITTED}
        lines = [_FAILED] if result.failed else []
        lines += chat_messages.texts(result.parts)
        lines += [notes[form.takes_media(part)].format(part.kind) for part in media]
        yield {"role": "tool", "tool_call_id": form.call_id(result.call.id), "content": "\n".join(lines)}
        if readable:
            files += [{"type": "text", "text": _RESULT_OF.format(result.call.name)}, *readable]
    if files:
        yield {"role": "user", "content": files}


def without_result_media(turns: list[Turn]) -> list[Turn]:
    """Return the turns with a note in place of each file in a tool's result."""
    changed = []
    for turn in turns:
        parts = [
            replace(part, parts=tuple(map(_note_media, part.parts))) if isinstance(part, Result) else part
            for part in turn.parts
        ]
        changed.append(replace(turn, parts=parts))
    return changed


def _note_media(part: Text | Media) -> Text:
    return Text(_FILE_OMITTED.format(part.kind)) if isinstance(part, Media) else part


def image_part(media: Media) -> JSON:
    """Return an image as OpenAI's part."""
    url = media.uri or f"data:{chat_messages.media_type(media)};base64,{media.data}"
    detail = member(media.raw, "image_url").get("detail")
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}


# Tools


def define(function: Function) -> Tool:
    """Return a tool in OpenAI's form, its name in characters that servers accept."""
    definition: FunctionDefinition = {"name": tools.sanitize_name(function.name, TOOL_NAME, MAX_NAME)}
    if function.description:
        definition["description"] = function.description
    if function.parameters is not None:
        definition["parameters"] = function.parameters
    if function.strict:
        definition["strict"] = True
    return {"type": "function", "function": definition}


def tool_fields(
    toolset: Tools, *, define: Callable[[Function], Tool] = define, required: str = "required"
) -> ChatFields:
    """Return `tools`, `tool_choice` and `parallel_tool_calls`.

    `required` is the server's word for a `tool_choice` that requires a call. `allowed_tools` leaves the other
    tools out; a choice of one function keeps them, since the conversation may have calls of them.
    """
    functions = [
        function for function in toolset.functions if not toolset.only or function.name in toolset.only
    ]
    if not functions:
        return {}
    fields: ChatFields = {"tools": [define(function) for function in functions]}
    if toolset.forced:
        name = tools.sanitize_name(toolset.forced, TOOL_NAME, MAX_NAME)
        fields["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif toolset.mode:
        fields["tool_choice"] = required if toolset.mode == "required" else toolset.mode
    if toolset.parallel is not None:
        fields["parallel_tool_calls"] = toolset.parallel
    return fields


def non_functions(toolset: Tools) -> list[str]:
    """Return the names of tools that are no functions, which these servers do not have."""
    return [f"tools.{text(tool.get('type')) or next(iter(tool), 'type')}" for tool in toolset.other_tools]


def tool_names(toolset: Tools, turns: Iterable[Turn]) -> Mapping[str, str]:
    """Return sent name → the client's, of all tools that are offered or have been called."""
    called_names = [part.name for turn in turns for part in turn.parts if isinstance(part, Call)]
    return tools.name_map(
        [*called_names, *(function.name for function in toolset.functions)], TOOL_NAME, MAX_NAME
    )
