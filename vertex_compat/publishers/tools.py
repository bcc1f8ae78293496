"""OpenAI's tools, read: `tools`, `tool_choice`, `parallel_tool_calls`; the older `functions` too.

Publishers allow fewer characters in a tool's name than clients use. `legal` makes a name that is allowed, the
same one each time; the way back is in `UpstreamCall.tool_names`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vertex_compat import errors
from vertex_compat.types import JSON

Mode: TypeAlias = Literal["auto", "none", "required"]


@dataclass(frozen=True, slots=True)
class Function:
    """One function that the model may call. `parameters` is JSON Schema, None if it takes nothing."""

    name: str
    description: str | None
    parameters: JSON | None
    strict: bool
    given: JSON = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the client offers. `only` narrows the choice to these names; `others` are tools of a dialect.

    `mode` is None where the client said nothing, and `parallel` is None too then. `legacy` is the older API,
    whose answer has a `function_call` instead of tool calls.
    """

    functions: tuple[Function, ...] = ()
    others: tuple[JSON, ...] = ()
    mode: Mode | None = None
    only: tuple[str, ...] = ()
    parallel: bool | None = None
    legacy: bool = False


PARAMETERS = frozenset({"function_call", "functions", "parallel_tool_calls", "tool_choice", "tools"})
"""The names of what is read here."""


def read(body: JSON) -> Tools:
    """What the client offers; raises `BadRequest`."""
    functions: list[Function] = []
    others: list[JSON] = []
    for number, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") == "function" or "function" in tool:
            functions.append(_function(tool.get("function"), f"tools[{number}].function", tool))
        else:
            others.append(tool)
    for number, function in enumerate(body.get("functions") or ()):
        functions.append(_function(function, f"functions[{number}]", {}))
    mode, only = _choice(body)
    if mode == "required" and not functions:
        raise errors.BadRequest("'tool_choice' demands a call, but there are no tools.", param="tool_choice")
    unknown = set(only) - {function.name for function in functions}
    if unknown:
        raise errors.BadRequest(
            f"tool_choice names {min(unknown)!r}, which is not among the tools.",
            param="tool_choice",
            code="invalid_value",
        )
    legacy = "functions" in body and "tools" not in body
    return Tools(tuple(functions), tuple(others), mode, only, body.get("parallel_tool_calls"), legacy)


def idle(body: JSON) -> list[str]:
    """The names of what a body says about tools where it has none."""
    if body.get("tools") or body.get("functions"):
        return []
    return [name for name in ("function_call", "parallel_tool_calls", "tool_choice") if name in body]


def _function(function: object, place: str, tool: JSON) -> Function:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise errors.BadRequest(
            f"Missing required parameter: '{place}.name'.",
            param=f"{place}.name",
            code="missing_required_parameter",
        )
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise errors.BadRequest(
            f"Invalid value for '{place}.parameters': expected an object.",
            param=f"{place}.parameters",
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


def _choice(body: JSON) -> tuple[Mode | None, tuple[str, ...]]:
    choice = body.get("tool_choice", body.get("function_call"))
    match choice:
        case None:
            return None, ()
        case "auto" | "none" | "required":
            return choice, ()
        case "any":  # Mistral's and Anthropic's word
            return "required", ()
        case "validated":  # Google's dialect: automatic, with the schema kept; `strict` says the same
            return "auto", ()
        case {"type": "allowed_tools", "allowed_tools": {"tools": [*allowed], **rest}}:
            mode: Mode = "required" if rest.get("mode") == "required" else "auto"
            return mode, tuple(name for tool in allowed if (name := _named(tool)))
        case {"type": "auto" | "none" as mode}:
            return mode, ()
        case {"type": "required" | "any"}:
            return "required", ()
        case {} if name := _named(choice):
            return "required", (name,)
    raise errors.BadRequest("Invalid value for 'tool_choice'.", param="tool_choice", code="invalid_value")


def _named(choice: object) -> str | None:
    match choice:
        case {"function": {"name": str(name)}} | {"name": str(name)}:
            return name
    return None


def legal(name: str, pattern: re.Pattern[str], longest: int) -> str:
    """`name` if `pattern` allows it, else one that is allowed, made from it and always the same.

    `pattern` must allow a letter first and then letters, digits, `_`.
    """
    if pattern.fullmatch(name) and len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[: longest - 10]
    return f"t{readable}_{digest}" if not readable[:1].isalpha() else f"{readable}_{digest}"


def renamed(names: Iterable[str], pattern: re.Pattern[str], longest: int) -> Mapping[str, str]:
    """Legal name → the client's name, for `UpstreamCall.tool_names`; names that are legal are not in it."""
    return {made: name for name in names if (made := legal(name, pattern, longest)) != name}
