"""Claude's tools and `tool_choice`, from OpenAI's and Anthropic's tools.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-reference. Names, property names and
schemas are changed to what Claude takes; the client's own names come back in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from vertex_compat import errors
from vertex_compat.publishers import json_schema
from vertex_compat.publishers.anthropic.chat import structured_output
from vertex_compat.publishers.anthropic.chat.context import CallContext
from vertex_compat.publishers.anthropic.chat.messages import client_names, legal_name
from vertex_compat.publishers.tools import Function, Tools
from vertex_compat.types import JSON, JSONAnswer

if TYPE_CHECKING:
    from vertex_compat.publishers.anthropic import request_types as wire

WEB_SEARCH: Final = {"type": "web_search_20250305", "name": "web_search"}
"""The version that Vertex AI has."""

SEARCH_FEATURE: Final = "policy.web_search"
"""Web search, which an organization policy may deny."""

BETA_OF_TOOL: Final = {
    "advisor_20260301": "advisor-tool-2026-03-01",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
    "mcp_toolset": "mcp-client-2025-11-20",
    "tool_search_tool_bm25_20251119": "tool-search-tool-2025-10-19",
    "tool_search_tool_regex_20251119": "tool-search-tool-2025-10-19",
    "web_search_20250305": "web-search-2025-03-05",
}
"""Type of one of Anthropic's tools → the beta that it needs on Vertex AI."""

_SERVER_TOOLS: Final = ("advisor", "code_execution", "mcp_toolset", "web_fetch", "web_search")
"""Type prefixes of the tools that Anthropic's servers run. Vertex AI has few of them."""

BETA_OF_PROPERTY: Final = {
    "defer_loading": "tool-search-tool-2025-10-19",
    "input_examples": "tool-examples-2025-10-29",
}
"""Property of a tool → the beta that it needs on Vertex AI."""

MAX_STRICT_TOOLS: Final = 20
"""https://platform.claude.com/docs/en/build-with-claude/structured-outputs#schema-complexity-limits"""

PROPERTIES: Final = (
    "allowed_callers",
    "cache_control",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
)
"""Properties of Anthropic's tools that a function may have, inside `function` or beside it."""

_DATED: Final = re.compile(r"[a-z_]+_20\d{6}")

_ANSWER_BY_TOOL: Final = (
    "Give your answer to the user by calling the tool {} once: its arguments are the answer. "
    "Write no text besides it."
)
_CALL_ONE: Final = "You must call at least one of these tools now: {}."
_CALL_THIS: Final = "You must call the tool {} now."


class ToolFields(msgspec.Struct, frozen=True):
    """`tools`, `tool_choice` and `output_config.format` of a body, and how to read the answer."""

    tools: list[wire.Tool | JSON]
    choice: wire.ToolChoice | None
    output_format: wire.OutputFormat | None
    names: Mapping[str, str]
    argument_names: Mapping[str, Mapping[str, str]]
    answer: JSONAnswer | None = None


def build(
    toolset: Tools,
    called_names: list[str],
    context: CallContext,
    *,
    forcible: bool,
    has_citations: bool,
) -> ToolFields:
    """Return the fields about tools and about answers in JSON.

    `forcible` says that a call can be forced.
    """
    only = toolset.only
    functions = [function for function in toolset.functions if not only or function.name in only]
    definitions, argument_names = _definitions(functions, context)
    definitions += _anthropic_tools(toolset, context)
    answer_format = _format(toolset, context, has_citations=has_citations)
    answer = answer_format.answer and _with_free_name(answer_format.answer, definitions)
    choice: wire.ToolChoice | None
    if answer_format.tool and answer:
        definitions = [] if toolset.mode == "none" else definitions
        definitions.append({**answer_format.tool, "name": answer.tool})
        choice = _demand_answer(str(answer.tool), definitions, toolset, context, forcible=forcible)
    else:
        choice = _choice(definitions, toolset, context, forcible=forcible)
    if not definitions and called_names:  # tools must be defined if the conversation has calls
        definitions = [
            {"name": legal_name(name), "input_schema": {"type": "object"}} for name in called_names
        ]
        choice = {"type": "none"}
    names = client_names([*called_names, *(function.name for function in functions)])
    return ToolFields(
        definitions, choice if definitions else None, answer_format.output, names, argument_names, answer
    )


def _definitions(
    functions: Iterable[Function], context: CallContext
) -> tuple[list[wire.Tool | JSON], dict[str, Mapping[str, str]]]:
    """Return the definitions of functions, and for each tool the renamed arguments."""
    definitions: list[wire.Tool | JSON] = []
    argument_names: dict[str, Mapping[str, str]] = {}
    strict = 0
    for function in functions:
        definition, names = _definition(function, context, may_be_strict=strict < MAX_STRICT_TOOLS)
        strict += "strict" in definition
        definitions.append(definition)
        if names:
            argument_names[definition["name"]] = names
    return definitions, argument_names


def _format(toolset: Tools, context: CallContext, *, has_citations: bool) -> structured_output.AnswerFormat:
    schema = structured_output.requested_schema(context.body)
    if schema is None:
        return structured_output.AnswerFormat()
    demanded = toolset.mode == "required"
    return structured_output.choose(schema, context, calls_demanded=demanded, has_citations=has_citations)


def _with_free_name(answer: JSONAnswer, definitions: list[wire.Tool | JSON]) -> JSONAnswer:
    """Return the answer with a tool name that no other tool has."""
    existing = {definition.get("name") for definition in definitions}
    name = str(answer.tool)
    while name in existing:
        name += "_"
    return msgspec.structs.replace(answer, tool=name)


def _demand_answer(
    name: str, definitions: list[wire.Tool | JSON], toolset: Tools, context: CallContext, *, forcible: bool
) -> wire.ToolChoice:
    """Return `tool_choice` where the answer is the arguments of a tool."""
    if not forcible:
        context.ignore("response_format")
        context.instructions.append(_ANSWER_BY_TOOL.format(name))
        return _with_parallel({"type": "auto"}, toolset)
    if len(definitions) == 1:
        return _with_parallel({"type": "tool", "name": name}, toolset)
    return _with_parallel({"type": "any"}, toolset)


def _choice(
    definitions: list[wire.Tool | JSON], toolset: Tools, context: CallContext, *, forcible: bool
) -> wire.ToolChoice | None:
    """Return `tool_choice` where the client's own tools are all there are."""
    match toolset.mode:
        case "none":
            return {"type": "none"}
        case "required" if forcible:
            forced = toolset.forced or (definitions[0].get("name") if len(definitions) == 1 else None)
            if forced:
                return _with_parallel({"type": "tool", "name": legal_name(forced)}, toolset)
            return _with_parallel({"type": "any"}, toolset)
        case "required":
            context.ignore("tool_choice")
            names = (
                [legal_name(toolset.forced)]
                if toolset.forced
                else [str(tool["name"]) for tool in definitions if "name" in tool]
            )
            sentence = _CALL_THIS if len(names) == 1 else _CALL_ONE
            context.instructions.append(sentence.format(", ".join(names)))
    is_set = toolset.mode or toolset.parallel is False
    return _with_parallel({"type": "auto"}, toolset) if is_set else None


def _with_parallel(choice: wire.ToolChoice, toolset: Tools) -> wire.ToolChoice:
    """Return the choice with the client's `parallel_tool_calls`."""
    return choice | {"disable_parallel_tool_use": True} if toolset.parallel is False else choice


def _definition(
    function: Function, context: CallContext, *, may_be_strict: bool
) -> tuple[wire.Tool, Mapping[str, str]]:
    """Return the tool for a function, and its property names → the client's."""
    schema, names, merged = _input_schema(function.parameters or {})
    if merged:
        context.ignore("tools.function.parameters")
    tool: wire.Tool = {"name": legal_name(function.name), "input_schema": schema}
    if function.description:
        tool["description"] = function.description
    if function.strict:
        native = may_be_strict and context.profile.supports_structured_outputs
        closed = structured_output.to_supported(schema) if native else None
        if closed is not None and structured_output.may_use(context):
            tool |= {"input_schema": closed, "strict": True}
        else:
            context.ignore("tools.function.strict")
    return tool | cast("wire.Tool", _properties(function, context)), names


def _properties(function: Function, context: CallContext) -> JSON:
    """Return the properties that only Anthropic's tools have."""
    inner = function.raw.get("function")
    holders = [function.raw, *([inner] if isinstance(inner, dict) else [])]
    properties = {name: holder[name] for holder in holders for name in PROPERTIES if holder.get(name)}
    for name, beta in BETA_OF_PROPERTY.items():
        if name not in properties:
            continue
        if context.use(f"tools.{name}"):
            context.betas.append(beta)
        else:
            context.ignore(f"tools.function.{name}")
            del properties[name]
    return properties


MAX_CACHED_SCHEMA: Final = 16_384
"""Bytes. Agents send the same tools with every request, so adapted schemas are kept."""


def _input_schema(parameters: JSON) -> tuple[JSON, Mapping[str, str], bool]:
    """Return a schema for Claude, its property names → the client's, and if its root was merged."""
    encoded = msgspec.json.encode(parameters)
    return (_cached_input_schema if len(encoded) <= MAX_CACHED_SCHEMA else _adapt)(encoded)


def _adapt(encoded: bytes) -> tuple[JSON, Mapping[str, str], bool]:
    modern = json_schema.modernize(msgspec.json.decode(encoded))
    schema, names = json_schema.rename_properties(
        json_schema.object_root(modern), structured_output.PROPERTY_NAME
    )
    return schema, names, not {"anyOf", "oneOf"}.isdisjoint(modern)


_cached_input_schema = lru_cache(256)(_adapt)


def _anthropic_tools(toolset: Tools, context: CallContext) -> list[JSON]:
    """Return tools in Anthropic's own form, and its web search for OpenAI's."""
    definitions: list[JSON] = []
    for tool in toolset.other_tools:
        _check(tool, context)
        kind = tool.get("type") or next(iter(tool), "")
        if not isinstance(tool.get("name"), str) and not _DATED.fullmatch(kind) and kind != "mcp_toolset":
            context.ignore(f"tools.{kind}")  # another publisher's: offered, not demanded
        elif not kind.startswith(_SERVER_TOOLS) or context.use(_feature(kind)):
            definitions.append(tool)
        else:
            context.ignore(f"tools.{kind}")
            if kind != WEB_SEARCH["type"] and kind.startswith("web_search") and context.use(SEARCH_FEATURE):
                definitions.append({**tool, **WEB_SEARCH})
    if (options := context.body.get("web_search_options")) is not None:
        search = _web_search(options, context)
        if context.use(SEARCH_FEATURE):
            definitions.append(search)
        else:
            context.ignore("web_search_options")
    context.betas.extend(beta for tool in definitions if (beta := BETA_OF_TOOL.get(tool.get("type") or "")))
    return definitions


def _feature(kind: str) -> str:
    """Return the optional feature for a tool that Anthropic's servers run."""
    return SEARCH_FEATURE if kind == WEB_SEARCH["type"] else f"tools.{kind}"


def _check(tool: JSON, context: CallContext) -> None:
    """Raise `BadRequest` for a tool that is malformed, or that Vertex AI refuses for the model."""
    for field, expected in (("name", str), ("type", str), ("user_location", dict)):
        if tool.get(field) is not None and not isinstance(tool[field], expected):
            param = f"{_param(tool, context.body)}.{field}"
            kind_name = "a string" if expected is str else "an object"
            raise errors.BadRequest(
                f"Invalid type for '{param}': expected {kind_name}.", param=param, code="invalid_type"
            )
    kind = tool.get("type")
    if kind in context.profile.rejected_tools:
        param = f"{_param(tool, context.body)}.type"
        raise errors.BadRequest(
            f"{context.model.name} does not take tools of the type {kind!r} on Vertex AI: "
            "use 'computer_toolset_20260801'.",
            param=param,
            code="unsupported_value",
        )


def _param(tool: JSON, body: JSON) -> str:
    index = next(index for index, other in enumerate(body["tools"]) if other is tool)
    return f"tools[{index}]"


def _web_search(options: Any, context: CallContext) -> JSON:
    """Return Anthropic's web search for `web_search_options`."""
    options = _object(options, "web_search_options")
    tool: JSON = dict(WEB_SEARCH)
    location = _object(options.get("user_location"), "web_search_options.user_location")
    if approximate := _object(location.get("approximate"), "web_search_options.user_location.approximate"):
        tool["user_location"] = {"type": "approximate", **approximate}
    filters = _object(options.get("filters"), "web_search_options.filters")
    for name in ("allowed_domains", "blocked_domains"):  # Claude takes one of the two
        if filters.get(name) and not {"allowed_domains", "blocked_domains"} & tool.keys():
            tool[name] = filters[name]
    unused = [f"filters.{name}" for name, value in filters.items() if value and name not in tool]
    unused += [name for name in options if name not in {"filters", "user_location"}]
    context.ignore(*(f"web_search_options.{name}" for name in unused))
    return tool


def _object(value: Any, param: str) -> JSON:
    if value is not None and not isinstance(value, dict):
        raise errors.BadRequest(
            f"Invalid type for '{param}': expected an object.", param=param, code="invalid_type"
        )
    return value or {}
