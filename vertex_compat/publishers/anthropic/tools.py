"""What Claude may call, and answers in JSON.

https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/overview. Few Claude models on Vertex take a
schema for the answer. For the others the answer is the arguments of one more tool, which must be called;
`answer` makes them the content again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vertex_compat import errors
from vertex_compat.publishers import tools
from vertex_compat.publishers.anthropic.messages import MAX_NAME, TOOL_NAME
from vertex_compat.publishers.anthropic.models import Family
from vertex_compat.publishers.tools import Function, Tools
from vertex_compat.types import JSON

ANSWER: Final = "json_tool_call"
_ANSWERS: Final = "Takes your whole answer to the user: its arguments are the JSON that was asked for."
_CALL_ANSWER: Final = "Give your final answer as the arguments of one call of {}, with no text beside it."
_CALL_ONE: Final = "You must call at least one of these tools now: {}."

WEB_SEARCH: Final = {"type": "web_search_20250305", "name": "web_search"}
"""The one that Vertex has."""

_OPEN: Final[JSON] = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Offer:
    """`fields` are for the body, `instructions` for the end of the system's; the rest is for the answer."""

    fields: JSON
    instructions: list[str]
    names: Mapping[str, str]
    answer: str | None = None


def schema(body: JSON) -> JSON | None:
    """The schema that the answer has to fit; None if it may be any text."""
    shape = body.get("response_format") or {}
    match shape:
        case {"type": "json_schema", "json_schema": {"schema": {} as wanted}}:
            return dict(wanted)
        case {"type": "json_schema", "json_schema": {}}:
            return _OPEN
        case {"type": "json_object"}:
            return shape.get("response_schema") or _OPEN
        case {} | {"type": "text"} if shape.get("type", "text") == "text":
            return None
    raise errors.BadRequest(
        "'response_format' must be text, json_object, or json_schema with a json_schema.",
        param="response_format",
        code="invalid_value",
    )


def offer(
    body: JSON, given: Tools, called: list[str], family: Family, ignored: list[str], *, forces: bool
) -> Offer:
    """What the model is offered. `forces` says whether a call can be demanded of it."""
    functions = [one for one in given.functions if not given.only or one.name in given.only]
    mode = given.mode
    defined = [_function(one, ignored) for one in functions] + _servers(body, given, ignored)
    instructions: list[str] = []
    fields: JSON = {}
    answer: str | None = None
    wanted = schema(body)
    if wanted is not None and family.schemas and is_closed(wanted):
        fields["output_config"] = {"format": {"type": "json_schema", "schema": wanted}}
    elif wanted is not None and mode == "required":  # a call is what the client gets
        ignored.append("response_format")
    elif wanted is not None:
        defined = [] if mode == "none" else defined
        mode = "required"
        answer = _free_name({one["name"] for one in defined})
        defined.append({"name": answer, "description": _ANSWERS, "input_schema": _object(wanted)})
        instructions += [] if forces else [_CALL_ANSWER.format(answer)]
    if mode == "required" and not forces and answer is None:
        ignored.append("tool_choice")
        instructions.append(_CALL_ONE.format(", ".join(one["name"] for one in defined)))
    if not defined and called:  # a conversation with calls in it has to define tools
        mode = "none"
        defined = [{"name": _legal(name), "input_schema": _OPEN} for name in called]
    if defined:
        fields["tools"] = defined
        if choice := _choice(mode, defined, given.parallel, forces=forces):
            fields["tool_choice"] = choice
    names = tools.name_map([*called, *(one.name for one in functions)], TOOL_NAME, MAX_NAME)
    return Offer(fields, instructions, names, answer)


def _legal(name: str) -> str:
    return tools.sanitize_name(name, TOOL_NAME, MAX_NAME)


def _free_name(taken: set[str]) -> str:
    name = ANSWER
    while name in taken:
        name += "_"
    return name


def _choice(mode: str | None, defined: list[JSON], parallel: bool | None, *, forces: bool) -> JSON | None:
    if mode == "none":
        return {"type": "none"}
    alone = {"disable_parallel_tool_use": True} if parallel is False else {}
    if mode == "required" and forces:
        only = {"type": "tool", "name": defined[0]["name"]} if len(defined) == 1 else {"type": "any"}
        return only | alone
    return {"type": "auto"} | alone if mode or alone else None


def _function(function: Function, ignored: list[str]) -> JSON:
    tool: JSON = {"name": _legal(function.name), "input_schema": _object(function.parameters or {})}
    if function.description:
        tool["description"] = function.description
    if function.strict and is_closed(tool["input_schema"]):
        tool["strict"] = True
    elif function.strict:
        ignored.append("tools.function.strict")
    inner = function.raw.get("function")
    for holder in (inner if isinstance(inner, dict) else {}, function.raw):
        if cache := holder.get("cache_control"):
            tool["cache_control"] = cache
    return tool


def _object(parameters: JSON) -> JSON:
    """A schema of an object: Claude takes no other, and not one that leaves it unsaid."""
    return parameters if parameters.get("type") == "object" else {**parameters, "type": "object"}


def _servers(body: JSON, given: Tools, ignored: list[str]) -> list[JSON]:
    """The tools that Anthropic's side runs, and tools in Anthropic's own form."""
    served: list[JSON] = []
    for number, tool in enumerate(given.others):
        if not isinstance(tool.get("name"), str) or "custom" in tool:
            raise errors.BadRequest(
                f"Claude has no tool like number {number + 1} of those that are not functions.",
                param="tools",
                code="unsupported_value",
            )
        served.append(tool)
    if (options := body.get("web_search_options")) is not None:
        where = (options.get("user_location") or {}).get("approximate")
        place = {"user_location": {"type": "approximate", **where}} if where else {}
        served.append(WEB_SEARCH | place)
        ignored += [f"web_search_options.{name}" for name in options if name != "user_location"]
    return served


_CONSTRAINTS: Final = frozenset(
    {"maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf", "maxLength", "minLength"}
    | {"maxItems", "minItems", "uniqueItems", "pattern", "patternProperties"}
)
_NAMED: Final = frozenset({"properties", "$defs", "definitions"})
_DATA: Final = frozenset({"const", "default", "enum", "examples", "required"})


def is_closed(value: Any) -> bool:
    """Whether a schema is one that answers can be held to: every object closed, nothing that only limits.

    https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs
    """
    if isinstance(value, list):
        return all(map(is_closed, value))
    if not isinstance(value, dict):
        return True
    if value.get("type") == "object" and value.get("additionalProperties") is not False:
        return False
    if _CONSTRAINTS & value.keys() or value.get("$ref") == "#":
        return False
    inner = (
        list(held.values()) if name in _NAMED and isinstance(held, dict) else held
        for name, held in value.items()
        if name not in _DATA
    )
    return all(map(is_closed, inner))
