"""A request of the Responses API as a chat request, for every publisher that chats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.json_values import items, mapping, member
from vertex_compat.operations import model_calls
from vertex_compat.operations.chat import chat_schema
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.request import body, inline_urls
from vertex_compat.operations.request.chat_request import (
    CODE_INTERPRETER,
    ParamNames,
    without_hosted_tools,
)
from vertex_compat.operations.responses import responses_schema, tools
from vertex_compat.operations.responses.input_items import ItemReader
from vertex_compat.operations.responses.tools import OfferedTools
from vertex_compat.types import JSON, ChatAdapter, Model, UpstreamCall

SAME_NAMES: Final = frozenset(
    {
        "cached_content",
        "extra_body",
        "google",
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "safety_identifier",
        "safety_settings",
        "service_tier",
        "temperature",
        "top_logprobs",
        "top_p",
        "user",
    }
)
"""Parameters that chat calls the same, Google's dialect included."""

TRANSLATED: Final = SAME_NAMES | {
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "model",
    "reasoning",
    "stream",
    "text",
    "tool_choice",
    "tools",
}

STATEFUL: Final = {
    "prompt": "Prompt templates are not stored: send the instructions and the input themselves.",
}
"""Parameters that have no counterpart, and the alternative."""

_HISTORY_PARAMETERS: Final = ("previous_response_id", "conversation")
"""Parameters that refer to earlier items: see `memory`."""

ORIGINS: Final = {
    "logprobs": "include",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "web_search_options": "tools",
}
"""Parameter of chat → what the client sent, where it has another name."""

_IGNORED_NAMES: Final = ORIGINS | {
    "image_generation": "tools.image_generation",
    "web_search_options": "tools.web_search",
}


class ResponsesRequest(NamedTuple):
    """A request: the client's parameters, the chat body, its tools, and parameter names."""

    params: JSON
    chat: JSON
    toolset: OfferedTools
    names: ParamNames
    ignored: tuple[str, ...]

    def for_model(self, model: Model, adapter: ChatAdapter) -> tuple[JSON, tuple[str, ...]]:
        """Return the chat body for a model, and the names of what this leaves out.

        A hosted tool that is offered to a model without it is left out; one that is demanded is an error.
        """
        chat, left_out = without_hosted_tools(self.chat, adapter)
        if tools.IMAGE_GENERATION in chat and "images" not in model.profile.operations:
            chat = {name: value for name, value in chat.items() if name != tools.IMAGE_GENERATION}
            left_out += (f"tools.{tools.IMAGE_GENERATION}",)
        missing = {name.removeprefix("tools.") for name in left_out}
        tools.check_choice(self.params.get("tool_choice"), self.toolset, missing)
        return chat, (*self.ignored, *left_out)

    def ignored_names(self, ignored: Iterable[str]) -> tuple[str, ...]:
        """Return the client's names of parameters of the chat body that a publisher ignores."""
        return tuple(dict.fromkeys(map(_ignored_name, ignored)))

    def upstream_call(self, adapter: ChatAdapter, model: Model, context: RequestContext) -> UpstreamCall:
        """Return the call to a model; raises `BadRequest` in the client's words."""
        with self.names.in_errors():
            chat, ignored = self.for_model(model, adapter)
            params = model_calls.chat_params(adapter, chat, model, context)
            call = adapter.request(inline_urls.inline(params, adapter, context), model)
        return replace(call, ignored=(*ignored, *self.ignored_names(call.ignored)))


def _ignored_name(name: str) -> str:
    first, dot, path = name.partition(".")
    return _IGNORED_NAMES.get(first, first) + dot + path


def parse(content: bytes) -> JSON:
    """Return the validated request; raises `BadRequest`."""
    return _check(body.drop_nulls(body.decode(content, responses_schema.CreateResponse)))


def _check(params: JSON) -> JSON:
    """Return parameters that can be met and have an input; raises `BadRequest`."""
    for name, alternative in STATEFUL.items():
        if params.get(name):
            raise errors.BadRequest(alternative, param=name, code="unsupported_parameter")
    if not any(params.get(name) for name in ("input", "instructions", *_HISTORY_PARAMETERS)):
        raise errors.missing_parameter("input")
    return params


def translate(params: JSON, earlier: Sequence[JSON] = ()) -> ResponsesRequest:
    """Translate a request that `parse` returned, after the items of earlier requests.

    Raises `BadRequest`.
    """
    toolset = tools.read(params)
    reader = _read_items(params, earlier, toolset)
    chat: JSON = {"model": params["model"], "messages": reader.messages}
    chat |= {name: params[name] for name in SAME_NAMES & params.keys()}
    chat |= _options(params) | _tools(params, toolset)
    origins = ORIGINS | {
        f"tools[{number}]": tool.param for number, tool in enumerate(toolset.functions.values())
    }
    if toolset.web_search:
        origins["web_search_options"] = toolset.web_search.param
    if image_tool := toolset.image_generation:
        origins |= {
            f"{image_tool.kind}.{name}": f"{image_tool.param}.{name}" for name in image_tool.definition
        }
    names = ParamNames(origins | reader.origins)
    ignored = [
        name for name in params if name not in TRANSLATED | STATEFUL.keys() and params[name] is not False
    ]
    request = ResponsesRequest(params, chat, toolset, names, (*ignored, *toolset.ignored, *reader.ignored))
    with request.names.in_errors():
        body.validate(chat, chat_schema.Chat)
    return request


def as_chat(params: JSON) -> JSON:
    """Return chat parameters for a body of the Responses API sent to `/chat/completions`.

    Cursor does so for some models. Parameters that only chat knows stay; raises `BadRequest`.
    """
    params = body.drop_nulls(params)
    body.validate(params, responses_schema.CreateResponse)
    for name in (*_HISTORY_PARAMETERS, "background"):
        if params.get(name):
            raise errors.BadRequest(
                f"'{name}' is a parameter of /v1/responses; here, send all messages.",
                param=name,
                code="unsupported_parameter",
            )
    translated = translate(_check(params))
    custom = {
        tool.name: tool.definition for tool in translated.toolset.functions.values() if tool.kind == "custom"
    }
    chat = translated.chat
    if custom:  # chat has them too, in a form of its own
        chat = chat | {"tools": [_custom_tool(tool, custom) for tool in chat["tools"]]}
    names = chat_schema.Chat.__struct_fields__
    return {name: params[name] for name in names if name in params and name not in TRANSLATED} | chat


def as_chat_names(params: JSON) -> ParamNames:
    """Return the client's names of the parameters that `as_chat` returns."""
    return translate(body.drop_nulls(params)).names


def _custom_tool(tool: JSON, custom: Mapping[str, JSON]) -> JSON:
    if (definition := custom.get(tool["function"]["name"])) is None:
        return tool
    fields = {name: definition[name] for name in ("description", "format") if name in definition}
    return {"type": "custom", "custom": {**fields, "name": tool["function"]["name"]}}


def _read_items(params: JSON, earlier: Sequence[JSON], toolset: OfferedTools) -> ItemReader:
    reader = ItemReader(toolset)
    if instructions := params.get("instructions"):
        reader.add({"role": "developer", "content": instructions}, "instructions")
    for item in earlier:
        reader.read(item, "previous_response_id")
    input_ = params.get("input") or []
    if isinstance(input_, str):
        reader.add({"role": "user", "content": input_}, "input")
    else:
        for number, item in enumerate(input_):
            reader.read(item, f"input[{number}]")
    reader.finish()
    return reader


def _options(params: JSON) -> JSON:
    """Return the parameters for length, effort, format and log probabilities.

    A `configuration_update` item changes effort and format from there on.
    """
    reasoning, text = member(params, "reasoning"), member(params, "text")
    for item in items(params.get("input")):
        if item.get("type") == "configuration_update":
            reasoning, text = reasoning | member(item, "reasoning"), text | member(item, "text")
    chat: JSON = {
        "max_completion_tokens": params.get("max_output_tokens"),
        "reasoning_effort": reasoning.get("effort") or None,
        "verbosity": text.get("verbosity"),
        "response_format": _format(mapping(text.get("format"))),
        "logprobs": "message.output_text.logprobs" in params.get("include", ()) or None,
    }
    if params.get("stream"):
        chat["stream"] = True
    return body.drop_nulls(chat)


def _format(text_format: JSON) -> JSON | None:
    match text_format.get("type"):
        case None | "text":
            return None
        case "json_schema":
            schema = {name: value for name, value in text_format.items() if name != "type"}
            return {"type": "json_schema", "json_schema": schema}
        case other:
            return {"type": other}


def _tools(params: JSON, toolset: OfferedTools) -> JSON:
    chat: dict[str, Any] = {}
    no_function = tools.allowed_functions(params.get("tool_choice"), toolset) == []
    functions = () if no_function else toolset.functions.values()
    chat_tools = [tools.function(tool) for tool in functions]
    if toolset.code_interpreter:
        chat_tools.append(CODE_INTERPRETER)
    if chat_tools:
        chat["tools"] = chat_tools
    if toolset.web_search:
        chat["web_search_options"] = tools.web_search_options(toolset.web_search)
    if toolset.image_generation:
        chat[tools.IMAGE_GENERATION] = body.drop_nulls(toolset.image_generation.definition)
    if (choice := params.get("tool_choice")) is not None:
        chat["tool_choice"] = tools.tool_choice(choice, toolset)
    return body.drop_nulls(chat)
