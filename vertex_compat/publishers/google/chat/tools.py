"""Write the tools that Gemini may call: the client's functions, and those that Google runs.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from vertex_compat import errors
from vertex_compat.publishers import tools
from vertex_compat.publishers.google.chat import json_schema, proto_schema
from vertex_compat.publishers.google.chat.contents import MAX_NAME_LENGTH, TOOL_NAME, sanitize
from vertex_compat.publishers.google.chat.options import camel_case, to_camel_case
from vertex_compat.publishers.tools import Function, Tools
from vertex_compat.types import JSON, ClientRequest

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

_ANY_OPTIONS: Final = None

BUILT_IN: Final[Mapping[str, frozenset[str] | None]] = {
    "codeExecution": frozenset(),
    "computerUse": _ANY_OPTIONS,
    "enterpriseWebSearch": _ANY_OPTIONS,
    "exaAiSearch": _ANY_OPTIONS,
    "googleMaps": _ANY_OPTIONS,
    "googleSearch": frozenset({"blockingConfidence", "excludeDomains", "searchTypes", "timeRangeFilter"}),
    "googleSearchRetrieval": frozenset({"dynamicRetrievalConfig"}),
    "parallelAiSearch": _ANY_OPTIONS,
    "retrieval": _ANY_OPTIONS,
    "urlContext": frozenset(),
}
"""Google's tools, and the options of those that accept few."""

FUNCTIONS: Final = "functionDeclarations"

COUNTERPARTS: Final = (
    (re.compile(r"code_(?:interpreter|execution)(?:_\d+)?"), "codeExecution"),
    (re.compile(r"web_search(?:_preview)?(?:_[\d_]+)?"), "googleSearch"),
)
"""`type` of a tool that OpenAI or Anthropic runs → Google's tool."""

WITHOUT_COUNTERPART: Final = re.compile(
    r"(?:advisor|apply_patch|bash|computer|file_search|image_generation|local_shell|mcp|memory|shell"
    r"|text_editor|tool_search|web_fetch)(?:_\w+)?"
)
"""`type` of tools that OpenAI or Anthropic runs and Google does not: a model can do without them."""

ANSWER_TOOL: Final = "json_answer"
_ANSWER_DESCRIPTION: Final = "Call this with your complete answer to the user, in place of writing text."
_PARAMETERS: Final = tools.PARAMETERS | {"web_search_options"}


class GeminiTools(NamedTuple):
    """`declarations` and `built_in` are the tools, `config` is `toolConfig`.

    `names` are the client's.
    """

    declarations: list[wire.FunctionDeclaration]
    built_in: wire.Tool
    config: wire.ToolConfig
    names: Mapping[str, str]

    def entries(self) -> list[wire.Tool]:
        """Return `tools` of the request: all functions in one entry, other tools in their own."""
        entries: list[wire.Tool] = [{"functionDeclarations": self.declarations}] if self.declarations else []
        return entries + [cast("wire.Tool", {kind: options}) for kind, options in self.built_in.items()]


class _BuiltIn(NamedTuple):
    """A tool of Google's, and the parameter that offers it."""

    kind: str
    options: Any
    param: str


def build(request: ClientRequest, options: JSON) -> GeminiTools:
    """Return the tools of a request and how the model may choose among them.

    Raises `BadRequest`.
    """
    body = request.body
    if not options and _PARAMETERS.isdisjoint(body):
        return GeminiTools([], {}, {}, {})
    toolset = tools.read(body)
    request.ignore(*tools.unused_tool_params(body))
    calling = _function_calling(toolset, request)
    narrowed = toolset.only and "allowedFunctionNames" not in calling
    functions = [function for function in toolset.functions if not narrowed or function.name in toolset.only]
    declarations = [_declaration(function, number, request) for number, function in enumerate(functions)]
    built_in: list[_BuiltIn] = []
    for tool in _built_in(toolset, options, request):
        if tool.kind == FUNCTIONS:
            declarations += _native_declarations(tool)
        elif toolset.mode != "none":
            built_in.append(tool)
    _check_names(declarations)
    if declarations and built_in and not request.model.profile.mixes_functions_and_search:
        request.ignore(*(tool.param for tool in built_in))
        built_in = []
    kinds: wire.Tool = {}
    for tool in built_in:
        kinds |= _of_generation(tool, request)
    config = _tool_config(calling if declarations else {}, options, request, has_functions=bool(declarations))
    names = tools.name_map([function.name for function in toolset.functions], TOOL_NAME, MAX_NAME_LENGTH)
    return GeminiTools(declarations, kinds, config, names)


def _tool_config(
    calling: wire.FunctionCallingConfig, options: JSON, request: ClientRequest, *, has_functions: bool
) -> wire.ToolConfig:
    """Return `toolConfig`: OpenAI's choice, and the client's `google.tool_config`."""
    config: wire.ToolConfig = {"functionCallingConfig": calling} if calling else {}
    native: JSON = to_camel_case(options.get("tool_config", {}))
    if retrieval := options.get("retrieval_config"):
        config["retrievalConfig"] = to_camel_case(retrieval)
    if isinstance(native_calling := native.get("functionCallingConfig"), dict):
        if native_calling.pop("streamFunctionCallArguments", None):
            request.ignore("google.tool_config.function_calling_config.stream_function_call_arguments")
        if not has_functions or not native_calling:
            del native["functionCallingConfig"]
    return config | cast("wire.ToolConfig", native)


def _check_names(declarations: Sequence[wire.FunctionDeclaration]) -> None:
    names: set[str] = set()
    for declaration in declarations:
        if (name := declaration["name"]) in names:
            raise errors.BadRequest(
                f"Two functions have the name {name!r}: give each its own.",
                param="tools",
                code="invalid_value",
            )
        names.add(name)


def _function_calling(toolset: Tools, request: ClientRequest) -> wire.FunctionCallingConfig:
    """Return `functionCallingConfig`.

    Calls are held to their schema where one function is `strict`.
    """
    names = [sanitize(name) for name in toolset.only]
    if toolset.mode == "none":
        return {"mode": "NONE"}
    if toolset.mode == "required":
        names = [sanitize(toolset.forced)] if toolset.forced else names
        return {"mode": "ANY", "allowedFunctionNames": names} if names else {"mode": "ANY"}
    strict = any(function.strict for function in toolset.functions)
    if not request.model.profile.supports_validated_calls:
        request.ignore(*(["tools.function.strict"] if strict else []))
    elif names:
        return {"mode": "VALIDATED", "allowedFunctionNames": names}
    elif strict or request.body.get("tool_choice") == "validated":
        return {"mode": "VALIDATED"}
    return {"mode": "AUTO"} if toolset.mode else {}


def _declaration(function: Function, number: int, request: ClientRequest) -> wire.FunctionDeclaration:
    declaration: wire.FunctionDeclaration = {"name": sanitize(function.name)}
    if function.description:
        declaration["description"] = function.description
    if not function.parameters:
        return declaration
    param = f"tools[{number}].function.parameters"
    if request.model.profile.takes_json_schema:
        declaration["parametersJsonSchema"] = json_schema.parameters(function.parameters, param)
    elif schema := proto_schema.parameters(function.parameters, param):
        declaration["parameters"] = schema
    return declaration


def _native_declarations(tool: _BuiltIn) -> list[wire.FunctionDeclaration]:
    """Return declarations in Google's own form, each with a name."""
    for number, declaration in enumerate(tool.options):
        if not isinstance(declaration, dict) or not isinstance(declaration.get("name"), str):
            param = f"{tool.param}[{number}]"
            raise errors.BadRequest(
                f"Invalid value for '{param}': expected an object with a `name`.",
                param=param,
                code="invalid_type",
            )
    return list(tool.options)


def _built_in(toolset: Tools, options: JSON, request: ClientRequest) -> Iterator[_BuiltIn]:
    """Yield the tools that are not OpenAI's functions."""
    for tool in toolset.other_tools:
        yield from _of_tool(tool, "tools", request)
    for number, tool in enumerate(options.get("tools", [])):
        if not isinstance(tool, dict):
            param = f"google.tools[{number}]"
            raise errors.BadRequest("A tool must be an object.", param=param, code="invalid_type")
        yield from _of_tool(tool, "google.tools", request)
    if (search := request.body.get("web_search_options")) is not None:
        yield _BuiltIn("googleSearch", _search_options(search, request), "web_search_options")


def _search_options(options: JSON, request: ClientRequest) -> JSON:
    """Return the options of Google's search for `web_search_options`; it only excludes domains."""
    param = "web_search_options.filters"
    filters = options.get("filters") or {}
    blocked = (filters.get("blocked_domains") or []) if isinstance(filters, dict) else None
    if not isinstance(blocked, list) or not all(isinstance(domain, str) for domain in blocked):
        raise errors.BadRequest(f"Invalid value for '{param}'.", param=param, code="invalid_type")
    request.ignore(*(f"web_search_options.{name}" for name in options if name != "filters"))
    unused = [name for name, value in filters.items() if value and name != "blocked_domains"]
    request.ignore(*(f"{param}.{name}" for name in unused))
    return {"excludeDomains": blocked} if blocked else {}


def _of_tool(tool: JSON, param: str, request: ClientRequest) -> Iterator[_BuiltIn]:
    """Yield the tools of one entry: Google's may hold several, OpenAI's is one."""
    kinds = {name: camel_case(name) for name in tool if camel_case(name) in BUILT_IN.keys() | {FUNCTIONS}}
    if not kinds:
        yield from _of_type(tool, param, request)
        return
    request.ignore(*(f"{param}.{name}" for name in tool if name not in kinds and name != "type"))
    for name, kind in kinds.items():
        options = tool[name] if tool[name] is not None else {}
        if not isinstance(options, list if kind == FUNCTIONS else dict):
            raise errors.BadRequest(
                f"Invalid value for '{param}.{name}'.", param=f"{param}.{name}", code="invalid_type"
            )
        yield _BuiltIn(kind, options, f"{param}.{name}")


def _of_type(tool: JSON, param: str, request: ClientRequest) -> Iterator[_BuiltIn]:
    type_ = str(tool.get("type", ""))
    kind = next((kind for pattern, kind in COUNTERPARTS if pattern.fullmatch(type_)), camel_case(type_))
    if kind in BUILT_IN:
        request.ignore(*(f"{param}.{type_}.{name}" for name in tool if name != "type"))
        yield _BuiltIn(kind, {}, f"{param}.{type_}")
    elif WITHOUT_COUNTERPART.fullmatch(type_):
        request.ignore(f"{param}.{type_}")
    else:
        raise errors.BadRequest(
            f"Gemini has no tool like {type_ or next(iter(tool), '')!r}. Besides functions it accepts: "
            f"{', '.join(sorted(BUILT_IN))}.",
            param=param,
            code="unsupported_value",
        )


def _of_generation(tool: _BuiltIn, request: ClientRequest) -> wire.Tool:
    """Return the tool under the name that the model knows, with the options that it accepts."""
    kind, options = tool.kind, to_camel_case(tool.options)
    if kind in {"googleSearch", "googleSearchRetrieval"}:
        is_old = not request.model.profile.takes_consecutive_turns  # before Gemini 2
        kind = "googleSearchRetrieval" if is_old else "googleSearch"
    accepted = BUILT_IN[kind]
    if accepted is not None:
        request.ignore(*(f"tools.{kind}.{option}" for option in options if option not in accepted))
        options = {option: value for option, value in options.items() if option in accepted}
    return cast("wire.Tool", {kind: options})


def with_answer_tool(config: GeminiTools, schema: JSON) -> tuple[GeminiTools, str]:
    """Return the tools with one more, whose arguments are the answer in JSON, and its name.

    One of them must be called: the answer is then either a call of the client's, or JSON that fits `schema`.
    """
    existing = {declaration["name"] for declaration in config.declarations}
    name = ANSWER_TOOL
    while name in existing:
        name += "_"
    declaration: wire.FunctionDeclaration = {
        "name": name,
        "description": _ANSWER_DESCRIPTION,
        "parametersJsonSchema": schema,
    }
    allowed_names = config.config.get("functionCallingConfig", {}).get("allowedFunctionNames")
    calling: wire.FunctionCallingConfig = {"mode": "ANY"}
    if allowed_names:
        calling["allowedFunctionNames"] = [*allowed_names, name]
    return config._replace(
        declarations=[*config.declarations, declaration],
        config=config.config | {"functionCallingConfig": calling},
    ), name
