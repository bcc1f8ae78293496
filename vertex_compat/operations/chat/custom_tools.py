"""Custom tools, which take text instead of JSON, as functions of one string.

https://platform.openai.com/docs/guides/function-calling#custom-tools. Models on Vertex AI know functions
only. The grammar of a tool's input becomes part of its description: no publisher holds a string to a grammar.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from vertex_compat import errors
from vertex_compat.json_values import member, text
from vertex_compat.types import JSON, CustomDelta, Delta, ToolCallDelta, without_field

INPUT: Final = "input"
"""Name of the function's one parameter."""


def function(name: str, description: str | None, input_format: JSON) -> JSON:
    """Return the chat tool that stands for a custom tool."""
    schema = {"type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]}
    texts = [description, _grammar(input_format)]
    definition = {"name": name, "description": "\n".join(filter(None, texts)), "parameters": schema}
    return {"type": "function", "function": definition}


def _grammar(input_format: JSON) -> str | None:
    """Describe a grammar. Chat nests it under `grammar`, the Responses API does not."""
    grammar = member(input_format, "grammar") or input_format
    if definition := grammar.get("definition"):
        return f"The input follows this {grammar.get('syntax')} grammar:\n{definition}"
    return None


def arguments(input_text: str) -> str:
    """Return the function's arguments for a call with the text `input_text`."""
    return msgspec.json.encode({INPUT: input_text}).decode()


def input_of(arguments: str) -> str:
    """Return the text in a call's arguments; the arguments themselves if they are not that JSON."""
    try:
        value = msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        return arguments
    content = value.get(INPUT) if isinstance(value, dict) else None
    return content if isinstance(content, str) else arguments


# In a chat request


def as_functions(params: JSON) -> tuple[JSON, frozenset[str]]:
    """Return chat parameters with functions for custom tools, and the names of these tools."""
    tools = params.get("tools") or []
    names = {_name(tool, number) for number, tool in enumerate(tools) if tool.get("type") == "custom"}
    changed = dict(params)
    if names:
        changed["tools"] = [_tool(tool) for tool in tools]
        if isinstance(choice := params.get("tool_choice"), dict):
            changed["tool_choice"] = _choice(choice)
    changed["messages"] = [_message(message) for message in params["messages"]]
    return changed, frozenset(names)


def _name(tool: JSON, number: int) -> str:
    if not (name := text(member(tool, "custom").get("name"))):
        param = f"tools[{number}].custom.name"
        raise errors.missing_parameter(param)
    return name


def _tool(tool: JSON) -> JSON:
    if tool.get("type") != "custom":
        return tool
    custom = tool["custom"]
    fields = {name: value for name, value in tool.items() if name not in {"type", "custom"}}
    return fields | function(custom["name"], text(custom.get("description")), member(custom, "format"))


def _choice(choice: JSON) -> JSON:
    match choice:
        case {"type": "custom", "custom": {"name": name}}:
            return {"type": "function", "function": {"name": name}}
        case {"type": "allowed_tools", "allowed_tools": {"tools": [*tools]} as allowed_tools}:
            converted = [_choice(tool) if isinstance(tool, dict) else tool for tool in tools]
            return {**choice, "allowed_tools": {**allowed_tools, "tools": converted}}
    return choice


def _message(message: JSON) -> JSON:
    calls = message.get("tool_calls")
    if not calls or all(call.get("type") != "custom" for call in calls):
        return message
    return {**message, "tool_calls": [_call(call) for call in calls]}


def _call(call: JSON) -> JSON:
    custom = member(call, "custom")
    if call.get("type") != "custom" or not custom:
        return call
    fields = {name: value for name, value in call.items() if name not in {"type", "custom"}}
    function_call = {"name": text(custom.get("name")), "arguments": arguments(text(custom.get("input")))}
    return {**fields, "type": "function", "function": function_call}


# In a response


class CustomCalls:
    """Gives calls of the functions that stand for custom tools their form in OpenAI's chat API.

    OpenAI's type for streamed calls does not have them; its API sends `{"type": "custom", "custom": {"name",
    "input"}}`: https://github.com/openai/openai-openapi/issues/576. The text comes with the finish reason,
    when its JSON is complete.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._arguments: dict[tuple[int, int], list[str]] = {}  # choice and index of a call → its pieces

    def apply(self, choice: int, delta: Delta) -> Delta:
        """Return the delta of a choice with custom calls in their own form."""
        client_calls = delta.fields.get("tool_calls", ())
        calls = [own for call in client_calls for own in self._calls(choice, call)]
        if delta.finish_reason:
            calls += self._complete(choice)
        fields = without_field(delta.fields, "tool_calls")
        if calls:
            fields["tool_calls"] = calls
        return replace(delta, fields=fields)

    def _calls(self, choice: int, call: ToolCallDelta) -> list[ToolCallDelta]:
        key = (choice, call["index"])
        arguments = self._arguments.get(key)
        function = call["function"]
        if arguments is None and function.get("name") in self._names:
            self._arguments[key] = [function.get("arguments", "")]
            custom: CustomDelta = {"name": function["name"], "input": ""}
            own: ToolCallDelta = {**call, "type": "custom", "custom": custom}
            del own["function"]
            return [own]
        if arguments is None:
            return [call]
        arguments.append(function.get("arguments", ""))
        return []

    def _complete(self, choice: int) -> list[ToolCallDelta]:
        keys = sorted(key for key in self._arguments if key[0] == choice)
        return [
            {"index": key[1], "custom": {"input": input_of("".join(self._arguments.pop(key)))}}
            for key in keys
        ]
