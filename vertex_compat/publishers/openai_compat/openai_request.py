"""What goes to the publishers that speak OpenAI's wire: Mistral, Jamba, Llama and its like, deployed models.

A conversation may have begun with another publisher. What goes out is written anew from what was read, so no
key of a dialect (`thinking_blocks`, `extra_content`, `cache_control`) reaches a server that refuses it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from vertex_compat import errors
from vertex_compat.publishers import chat_messages, parameters, tools
from vertex_compat.publishers.chat_messages import Call, Media, Part, Result, Text, Thinking, Turn
from vertex_compat.publishers.openai_compat import openai_response
from vertex_compat.publishers.tools import Function, Tools
from vertex_compat.types import JSON, ChatAdapter, Model, UpstreamCall

NEVER_SENT: Final = frozenset(
    {
        "anthropic_beta",
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
"""What is between a client and OpenAI, or another publisher's, and means nothing to a model elsewhere."""

TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")
MAX_NAME: Final = 64
_MAX_ID: Final = 64

SILENCE: Final = "."
"""Stands where a message has to be and nothing was said: it must not be empty."""


def chat(request: Callable[[JSON, Model], UpstreamCall], *, many: bool = True) -> ChatAdapter:
    """The chat of a publisher whose answers are read in `openai_answer`."""
    return ChatAdapter(request, openai_response.response, openai_response.stream, many)


def shaped(body: JSON) -> JSON:
    """What all of them call the same, and OpenAI otherwise or in several forms."""
    given: JSON = {"max_tokens": parameters.max_tokens(body), "stop": parameters.stop(body)}
    given["stream"] = body.get("stream")
    return {name: value for name, value in given.items() if value}


def bare(model: Model) -> str:
    """The model's name in a body: without the version that stands in the URL."""
    return model.name.partition("@")[0]


# Messages


def call_id(identity: str) -> str:
    """The id of a call: as it is, unless it is so long that it holds another publisher's state."""
    if len(identity) <= _MAX_ID:
        return identity
    return f"call_{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def hoisted(turns: list[Turn]) -> list[Turn]:
    """All that the system says in one turn, in front."""
    system, rest = chat_messages.split_system(turns)
    text = "\n\n".join(chat_messages.texts(system))
    return [Turn("system", [Text(text)]), *rest] if system else rest


def messages(
    turns: Iterable[Turn],
    *,
    file: Callable[[Media], JSON],
    identify: Callable[[str], str] = call_id,
    reasoning: bool = False,
) -> list[JSON]:
    """The conversation in OpenAI's form. `reasoning` says whether the model wants its thoughts back."""
    written = [message for turn in _said(turns) for message in _messages(turn, file, identify, reasoning)]
    return written or [{"role": "user", "content": SILENCE}]


def _said(turns: Iterable[Turn]) -> list[Turn]:
    """The turns without Claude's thoughts, which nobody else can read."""
    kept: list[Turn] = []
    for turn in turns:
        parts: list[Part] = [part for part in turn.parts if not isinstance(part, Thinking)]
        if parts:
            chat_messages.append_merged(kept, Turn(turn.role, parts, turn.raw))
    return kept


def _messages(
    turn: Turn, file: Callable[[Media], JSON], identify: Callable[[str], str], reasoning: bool
) -> Iterator[JSON]:
    if turn.role == "tool":
        yield from (_result(part, identify) for part in turn.parts if isinstance(part, Result))
        return
    message: JSON = {"role": turn.role}
    if content := _content(turn, file):
        message["content"] = content
    if calls := [_call(part, identify) for part in turn.parts if isinstance(part, Call)]:
        message["tool_calls"] = calls
    if reasoning and turn.role == "assistant" and (thoughts := turn.raw.get("reasoning_content")):
        message["reasoning_content"] = thoughts
    yield message


def _content(turn: Turn, file: Callable[[Media], JSON]) -> str | list[JSON]:
    match [part for part in turn.parts if isinstance(part, Text | Media)]:
        case [Text(text)]:
            return text
        case parts:
            return [
                file(part) if isinstance(part, Media) else {"type": "text", "text": part.text}
                for part in parts
            ]


def _call(call: Call, identify: Callable[[str], str]) -> JSON:
    name = tools.sanitize_name(call.name, TOOL_NAME, MAX_NAME)
    function = {"name": name, "arguments": msgspec.json.encode(call.arguments).decode()}
    return {"id": identify(call.id), "type": "function", "function": function}


def _result(result: Result, identify: Callable[[str], str]) -> JSON:
    for part in result.parts:
        if isinstance(part, Media):
            raise errors.BadRequest(
                f"This model takes no {part.kind} as the result of a tool call.",
                param=part.param,
                code="unsupported_value",
            )
    content = "\n".join(chat_messages.texts(result.parts))
    return {"role": "tool", "tool_call_id": identify(result.call.id), "content": content}


def no_file(media: Media) -> JSON:
    """What a model that reads text alone makes of a file."""
    raise errors.BadRequest(f"This model takes no {media.kind}.", param=media.param, code="unsupported_value")


def image(media: Media) -> JSON:
    """An image as OpenAI's part."""
    link = media.uri or f"data:{media.mime or 'image/jpeg'};base64,{media.data}"
    given = media.raw.get("image_url")
    detail = given.get("detail") if isinstance(given, dict) else None
    return {"type": "image_url", "image_url": {"url": link} | ({"detail": detail} if detail else {})}


# Tools


def define(function: Function) -> JSON:
    """A tool in OpenAI's form, its name as servers take it."""
    told: JSON = {"name": tools.sanitize_name(function.name, TOOL_NAME, MAX_NAME)}
    told |= {"description": function.description} if function.description else {}
    told |= {"parameters": function.parameters} if function.parameters is not None else {}
    told |= {"strict": True} if function.strict else {}
    return {"type": "function", "function": told}


def offered(given: Tools, *, define: Callable[[Function], JSON] = define, demand: str = "required") -> JSON:
    """`tools`, `tool_choice` and `parallel_tool_calls`. `demand` is the server's word for "call one"."""
    functions = [one for one in given.functions if not given.only or one.name in given.only]
    defined = [*map(define, functions), *given.others]
    if not defined:
        return {}
    fields: JSON = {"tools": defined}
    if given.forced:
        name = tools.sanitize_name(given.forced, TOOL_NAME, MAX_NAME)
        fields["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif given.mode:
        fields["tool_choice"] = demand if given.mode == "required" else given.mode
    if given.parallel is not None:
        fields["parallel_tool_calls"] = given.parallel
    return fields


def only_functions(given: Tools) -> None:
    """Raise `BadRequest` for a tool that is not a function, where a publisher has no others."""
    if given.others:
        raise errors.BadRequest(
            "This model takes only tools of type 'function'.", param="tools", code="unsupported_value"
        )


def names(given: Tools, turns: Iterable[Turn]) -> Mapping[str, str]:
    """Legal name → the client's, of all tools that are offered or have been called."""
    called = [part.name for turn in turns for part in turn.parts if isinstance(part, Call)]
    return tools.name_map([*called, *(one.name for one in given.functions)], TOOL_NAME, MAX_NAME)
