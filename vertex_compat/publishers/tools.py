"""OpenAI's tools: `tools`, `tool_choice`, `parallel_tool_calls`, and the older `functions`.

Publishers allow fewer characters in the name of a tool than clients use. `sanitize_name` makes an allowed
name, always the same one; `UpstreamCall.tool_names` has the client's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON

ToolMode: TypeAlias = Literal["auto", "none", "required"]


class Function(msgspec.Struct, frozen=True):
    """A function that the model may call.

    `parameters` is JSON Schema, None if the function has none. `raw` is the client's tool.
    """

    name: str
    description: str | None
    parameters: JSON | None
    strict: bool
    raw: JSON = msgspec.field(default_factory=dict)


class Tools(msgspec.Struct, frozen=True):
    """The tools of a request, and how the model may choose among them."""

    functions: tuple[Function, ...] = ()
    other_tools: tuple[JSON, ...] = ()
    """Tools that only one publisher knows."""
    mode: ToolMode | None = None
    """None if the client sets none."""
    only: tuple[str, ...] = ()
    """Names of the functions that `allowed_tools` leaves."""
    parallel: bool | None = None
    """None if the client does not set it."""
    legacy: bool = False
    """True for OpenAI's older API, whose answer has a `function_call`."""
    forced: str | None = None
    """Function that must be called."""


class _Choice(msgspec.Struct, frozen=True):
    """`tool_choice`. Fields as in `Tools`."""

    mode: ToolMode | None = None
    only: tuple[str, ...] = ()
    forced: str | None = None


PARAMETERS: Final = frozenset({"function_call", "functions", "parallel_tool_calls", "tool_choice", "tools"})
"""The parameters that `read` reads."""


def read(body: JSON) -> Tools:
    """Return the tools of a request; raises `BadRequest`."""
    functions: list[Function] = []
    other_tools: list[JSON] = []
    for number, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") == "function" or "function" in tool:
            functions.append(_function(tool.get("function"), f"tools[{number}].function", tool))
        else:
            other_tools.append(tool)
    for number, function in enumerate(body.get("functions") or ()):
        functions.append(_function(function, f"functions[{number}]", {}))
    choice = _choice(body)
    if choice.mode == "required" and not functions:
        raise errors.BadRequest("'tool_choice' requires a call, but there are no tools.", param="tool_choice")
    required_names = {*choice.only, *filter(None, [choice.forced])}
    if unknown := required_names - {function.name for function in functions}:
        raise errors.BadRequest(
            f"The tool choice names {min(unknown)!r}, which is not among the tools.",
            param="tool_choice",
            code="invalid_value",
        )
    return Tools(
        tuple(functions),
        tuple(other_tools),
        choice.mode,
        choice.only,
        _parallel(body),
        legacy="functions" in body and "tools" not in body,
        forced=choice.forced,
    )


def _parallel(body: JSON) -> bool | None:
    """True if parallel calls are allowed; Anthropic's clients set it in `tool_choice`."""
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("disable_parallel_tool_use") is True:
        return False
    parallel: bool | None = body.get("parallel_tool_calls")
    return parallel


def unused_tool_params(body: JSON) -> list[str]:
    """Return the names of parameters about tools in a request without tools.

    A web search is a tool that can be chosen, but never called twice in one turn.
    """
    if body.get("tools") or body.get("functions"):
        return []
    choices = () if "web_search_options" in body else ("function_call", "tool_choice")
    return [name for name in ("parallel_tool_calls", *choices) if name in body]


def _function(function: object, param: str, tool: JSON) -> Function:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise errors.missing_parameter(f"{param}.name")
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise errors.BadRequest(
            f"Invalid value for '{param}.parameters': expected an object.",
            param=f"{param}.parameters",
            code="invalid_type",
        )
    description = function.get("description")
    return Function(
        function["name"],
        description if isinstance(description, str) else None,
        parameters,
        bool(function.get("strict")),
        tool,
    )


def _choice(body: JSON) -> _Choice:
    choice = body.get("tool_choice", body.get("function_call"))
    match choice:
        case None:
            return _Choice()
        case "auto" | "none" | "required":
            return _Choice(choice)
        case "any":  # Mistral's and Anthropic's word
            return _Choice("required")
        case "validated":  # Google's: `auto`, with arguments that fit their schema
            return _Choice("auto")
        case {"type": "allowed_tools", "allowed_tools": {"tools": [*allowed_tools], **fields}}:
            mode: ToolMode = "required" if fields.get("mode") == "required" else "auto"
            return _Choice(mode, tuple(name for tool in allowed_tools if (name := _tool_name(tool))))
        case {"type": "auto" | "none" as mode}:
            return _Choice(mode)
        case {"type": "required" | "any"}:
            return _Choice("required")
        case {} if name := _tool_name(choice):
            return _Choice("required", forced=name)
    raise errors.BadRequest(
        "Invalid value for 'tool_choice': expected auto, none, required, or an object that names a function.",
        param="tool_choice",
        code="invalid_value",
    )


def _tool_name(choice: object) -> str | None:
    """The name of the tool that a choice names."""
    match choice:
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}} | {"name": str(name)}:
            return name
    return None


def sanitize_name(name: str, pattern: re.Pattern[str], max_length: int) -> str:
    """Return `name` if `pattern` matches it, else an allowed name that is derived from it.

    `pattern` must allow a letter first, and then letters, digits and `_`.
    """
    if pattern.fullmatch(name) and len(name) <= max_length:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[: max_length - 10]
    return f"t{readable}_{digest}" if not readable[:1].isalpha() else f"{readable}_{digest}"


def name_map(names: Iterable[str], pattern: re.Pattern[str], max_length: int) -> Mapping[str, str]:
    """Return sanitized name → the client's name, without names that stay as they are."""
    return {
        sanitized: name for name in names if (sanitized := sanitize_name(name, pattern, max_length)) != name
    }
