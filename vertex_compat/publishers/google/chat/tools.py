"""What Gemini may call: the client's functions, and Google's own tools.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vertex_compat import errors
from vertex_compat.publishers import tools
from vertex_compat.publishers.google import models
from vertex_compat.publishers.google.chat import json_schema
from vertex_compat.publishers.google.chat.contents import MAX_NAME, TOOL_NAME, legal
from vertex_compat.publishers.google.chat.options import camel, camel_name
from vertex_compat.publishers.tools import Function, Tools
from vertex_compat.types import JSON

_ANY: Final = None

BUILT_IN: Final[Mapping[str, frozenset[str] | None]] = {
    "codeExecution": frozenset(),
    "computerUse": _ANY,
    "enterpriseWebSearch": _ANY,
    "exaAiSearch": _ANY,
    "googleMaps": _ANY,
    "googleSearch": frozenset({"blockingConfidence", "excludeDomains", "searchTypes", "timeRangeFilter"}),
    "googleSearchRetrieval": frozenset({"dynamicRetrievalConfig"}),
    "parallelAiSearch": _ANY,
    "retrieval": _ANY,
    "urlContext": frozenset(),
}
"""Google's tools, and the options of those that take few."""

OF_OPENAI: Final = {
    "code_interpreter": "codeExecution",
    "web_search": "googleSearch",
    "web_search_preview": "googleSearch",
}
"""`type` of a tool of OpenAI's → Google's."""

_READ: Final = tools.PARAMETERS | {"web_search_options"}


@dataclass(frozen=True, slots=True)
class Offer:
    """`fields` are for the body; `names` give back the client's names of functions."""

    fields: JSON
    names: Mapping[str, str]


def offer(body: JSON, said: JSON, name: str, ignored: list[str]) -> Offer:
    """What the model is offered, and how it may choose; what it is not told is added to `ignored`."""
    if not said and _READ.isdisjoint(body):
        return Offer({}, {})
    given = tools.read(body)
    ignored += tools.unused_tool_params(body)
    calling = _calling(body, given, name, ignored)
    narrowed = given.callable_names and "allowedFunctionNames" not in calling
    functions = [one for one in given.functions if not narrowed or one.name in given.callable_names]
    declared = [_declare(one, number, name) for number, one in enumerate(functions)]
    built_in: dict[str, JSON] = {}
    for kind, options in _built_in(body, given, said, ignored):
        if kind == "functionDeclarations":
            declared += options
        elif given.mode != "none":
            built_in |= _of_version(kind, options, name, ignored)
    _check(declared, built_in, name)
    offered: list[JSON] = [{"functionDeclarations": declared}] if declared else []
    offered += [{kind: options} for kind, options in built_in.items()]
    config: JSON = {"functionCallingConfig": calling} if calling and declared else {}
    if where := said.get("retrieval_config"):
        config["retrievalConfig"] = camel(where)
    fields = {"tools": offered, "toolConfig": config}
    names = tools.name_map([one.name for one in given.functions], TOOL_NAME, MAX_NAME)
    return Offer({field: value for field, value in fields.items() if value}, names)


def _check(declared: Sequence[JSON], built_in: JSON, name: str) -> None:
    names = [one.get("name") for one in declared]
    if twice := [one for one in names if names.count(one) > 1]:
        raise errors.BadRequest(
            f"Two functions have the name {twice[0]!r}.", param="tools", code="invalid_value"
        )
    if declared and built_in and models.before(name, models.GEMINI_3):
        raise errors.BadRequest(
            f"Before Gemini 3, functions and {min(built_in)} cannot be used in one request.",
            param="tools",
            code="unsupported_value",
        )


def _calling(body: JSON, given: Tools, name: str, ignored: list[str]) -> JSON:
    """How the model may choose. Calls are held to their schema where one function is `strict`."""
    names = [legal(one) for one in given.callable_names]
    if given.mode == "none":
        return {"mode": "NONE"}
    if given.mode == "required":
        return {"mode": "ANY"} | ({"allowedFunctionNames": names} if names else {})
    strict = any(one.strict for one in given.functions)
    if not models.since(name, models.VALIDATED):
        ignored += ["tools.function.strict"] if strict else []
    elif names:
        return {"mode": "VALIDATED", "allowedFunctionNames": names}
    elif strict or body.get("tool_choice") == "validated":
        return {"mode": "VALIDATED"}
    return {"mode": "AUTO"} if given.mode else {}


def _declare(function: Function, number: int, name: str) -> JSON:
    declared: JSON = {"name": legal(function.name)}
    if function.description:
        declared["description"] = function.description
    if not function.parameters:
        return declared
    place = f"tools[{number}].function.parameters"
    if function.parameters.get("type", "object") != "object":
        raise errors.BadRequest(
            f"Invalid value for '{place}': the schema must be of type 'object'.",
            param=place,
            code="invalid_value",
        )
    if models.before(name, models.JSON_SCHEMA):
        return declared | json_schema.lowered_parameters(function.parameters, place)
    return declared | {"parametersJsonSchema": json_schema.adapted(function.parameters)}


def _built_in(body: JSON, given: Tools, said: JSON, ignored: list[str]) -> Iterator[tuple[str, Any]]:
    """The tools that are no functions of OpenAI's: kind, and what is said about it."""
    for tool in given.others:
        yield from _of_tool(tool, "tools", ignored)
    for tool in said.get("tools", []):
        if not isinstance(tool, dict):
            raise errors.BadRequest("A tool is an object.", param="google.tools", code="invalid_type")
        yield from _of_tool(tool, "google.tools", ignored)
    if (options := body.get("web_search_options")) is not None:
        ignored += [f"web_search_options.{name}" for name in options]
        yield "googleSearch", {}


def _of_tool(tool: JSON, place: str, ignored: list[str]) -> Iterator[tuple[str, Any]]:
    """One tool may be of several kinds, or OpenAI's, which has its options beside its `type`."""
    kinds = {
        name: camel_name(name)
        for name in tool
        if camel_name(name) in BUILT_IN.keys() | {"functionDeclarations"}
    }
    kind = str(tool.get("type", ""))
    typed = OF_OPENAI.get(kind) or camel_name(kind)
    if not kinds and typed in BUILT_IN:
        ignored += [f"{place}.{kind}.{name}" for name in tool if name != "type"]
        yield typed, {}
        return
    if not kinds:
        raise errors.BadRequest(
            f"Gemini has no tool like {kind or next(iter(tool), '')!r}. Besides functions it takes: "
            f"{', '.join(sorted(BUILT_IN))}.",
            param=place,
            code="unsupported_value",
        )
    ignored += [f"{place}.{name}" for name in tool if name not in kinds and name != "type"]
    for name, known in kinds.items():
        options = tool[name] if tool[name] is not None else {}
        if not isinstance(options, list if known == "functionDeclarations" else dict):
            raise errors.BadRequest(
                f"Invalid value for '{place}.{name}'.", param=f"{place}.{name}", code="invalid_type"
            )
        yield known, options


def _of_version(kind: str, options: JSON, name: str, ignored: list[str]) -> JSON:
    """The tool under the name that it has for the model, with the options that it takes."""
    old = models.before(name, models.SEPARATE_TURNS)
    if kind in {"googleSearch", "googleSearchRetrieval"}:
        kind = "googleSearchRetrieval" if old else "googleSearch"
    options, taken = camel(options), BUILT_IN[kind]
    if taken is not None:
        ignored += [f"tools.{kind}.{option}" for option in options if option not in taken]
        options = {option: value for option, value in options.items() if option in taken}
    return {kind: options}
