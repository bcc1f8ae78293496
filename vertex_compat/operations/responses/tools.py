"""Tools of the Responses API as functions of a model, and calls of them as items.

Models on Vertex AI know functions only. A tool that the client runs becomes a function with the parameters of
the tool's item. Such tools are `custom`, `local_shell`, `shell`, `apply_patch`, and `tool_search` with
`execution: client`. A tool on OpenAI's servers has no counterpart: it is left out and named, unless
`tool_choice` demands it.

https://platform.openai.com/docs/guides/tools and OpenAI's SDK, types/responses/tool_param.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import integer, items, mapping, member, text
from vertex_compat.operations.chat import custom_tools
from vertex_compat.operations.request import body
from vertex_compat.operations.responses import responses_schema
from vertex_compat.types import JSON

WEB_SEARCH: Final = "web_search"
WEB_SEARCH_TYPES: Final = frozenset({WEB_SEARCH, "web_search_preview"})

FILE_SEARCH: Final = "file_search"

CODE_INTERPRETER: Final = "code_interpreter"

IMAGE_GENERATION: Final = "image_generation"

_DATE: Final = re.compile(r"_20[0-9]{2}_[0-9]{2}_[0-9]{2}$")
"""The end of a dated type, such as `web_search_2025_08_26`."""

_NEW_CONTAINER: Final[JSON] = {"type": "auto"}

_STRING: Final[JSON] = {"type": "string"}
_STRINGS: Final[JSON] = {"type": "array", "items": _STRING}
_INTEGER: Final[JSON] = {"type": "integer"}


class ClientTool(NamedTuple):
    """A type of tool that the client runs, as a function."""

    description: str
    properties: JSON
    required: list[str]


CLIENT_TOOLS: Final[Mapping[str, ClientTool]] = {
    "local_shell": ClientTool(
        "Run a command on the user's machine. `command` is the program and its arguments.",
        {
            "command": _STRINGS,
            "working_directory": _STRING,
            "timeout_ms": _INTEGER,
            "env": {"type": "object", "additionalProperties": _STRING},
        },
        ["command"],
    ),
    "shell": ClientTool(
        "Run commands in a shell. The result has the output and the exit code of each command.",
        {"commands": _STRINGS, "timeout_ms": _INTEGER, "max_output_length": _INTEGER},
        ["commands"],
    ),
    "apply_patch": ClientTool(
        "Create, update or delete one file. `diff` has no file headers: each section begins with '@@', and "
        "its lines with ' ' (context), '-' (removed) or '+' (added). In the diff of a new file all lines "
        "begin with '+'; a deletion has no diff.",
        {
            "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
            "path": _STRING,
            "diff": _STRING,
        },
        ["type", "path"],
    ),
    "tool_search": ClientTool("Search for further tools.", {"query": _STRING}, ["query"]),
}


class OfferedTool(NamedTuple):
    """A tool that the model is offered as the function `name`.

    `kind` is its type without a date, `definition` the client's object, `param` its place in the request.
    """

    name: str
    kind: str
    definition: JSON
    param: str
    namespace: str | None = None


class OfferedTools(msgspec.Struct):
    """The tools of a request: functions by their names, and names of what is left out."""

    functions: dict[str, OfferedTool] = msgspec.field(default_factory=dict)
    web_search: OfferedTool | None = None
    file_search: OfferedTool | None = None
    code_interpreter: OfferedTool | None = None
    image_generation: OfferedTool | None = None
    ignored: list[str] = msgspec.field(default_factory=list)

    def hosted(self) -> Mapping[str, OfferedTool | None]:
        """Return the tools that run upstream or here, by their types."""
        return {
            WEB_SEARCH: self.web_search,
            FILE_SEARCH: self.file_search,
            CODE_INTERPRETER: self.code_interpreter,
            IMAGE_GENERATION: self.image_generation,
        }

    def name_of(self, kind: str) -> str:
        """Return the name of the function for the tool of a type."""
        return next((tool.name for tool in self.functions.values() if tool.kind == kind), kind)


def read(params: JSON) -> OfferedTools:
    """Return the tools in `tools` and in items that add tools; raises `BadRequest`.

    Hosted tools that may not be used are not offered.
    """
    toolset = OfferedTools()
    for param, tools in _lists(params):
        for number, tool in enumerate(tools):
            _add(toolset, tool, f"{param}[{number}]")
    allowed_kinds = _allowed_kinds(params.get("tool_choice"))
    for kind in toolset.hosted():
        if allowed_kinds is not None and kind not in allowed_kinds:
            setattr(toolset, kind, None)
    return toolset


def _allowed_kinds(choice: Any) -> set[str] | None:
    """Return the types of the tools that `tool_choice` allows; None stands for all."""
    if choice == "none":
        return set()
    if mapping(choice).get("type") == "allowed_tools":
        return {demanded_tool(tool) for tool in items(choice.get("tools"))}
    return None


def _lists(params: JSON) -> Iterator[tuple[str, list[JSON]]]:
    yield "tools", params.get("tools") or []
    input_ = params.get("input")
    for number, item in enumerate(input_ if isinstance(input_, list) else ()):
        if text(item.get("type")) in {"additional_tools", "tool_search_output"}:
            param = f"input[{number}].tools"
            tools = item.get("tools")
            if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
                raise errors.BadRequest(
                    f"Invalid value for '{param}': expected a list of tools.",
                    param=param,
                    code="invalid_type",
                )
            yield param, tools


def _add(toolset: OfferedTools, tool: JSON, param: str, namespace: str | None = None) -> None:
    kind = _DATE.sub("", text(tool.get("type")))
    if kind == "namespace" and namespace is None:
        for number, inner in enumerate(items(tool.get("tools"))):
            _add(toolset, inner, f"{param}.tools[{number}]", text(tool.get("name")))
    elif kind in WEB_SEARCH_TYPES and tool.get("external_web_access") is not False:
        toolset.web_search = OfferedTool(kind, kind, tool, param)
    elif kind == FILE_SEARCH:
        if toolset.file_search and toolset.file_search.definition != tool:
            raise errors.BadRequest(
                "One request may have one 'file_search': list all stores in its 'vector_store_ids'.",
                param=param,
                code="invalid_value",
            )
        toolset.file_search = OfferedTool(kind, kind, tool, param)
    elif kind == CODE_INTERPRETER:
        toolset.code_interpreter = OfferedTool(kind, kind, tool, param)
        if body.drop_nulls(tool).get("container", _NEW_CONTAINER) != _NEW_CONTAINER:
            toolset.ignored.append("tools.code_interpreter.container")
    elif kind == IMAGE_GENERATION:
        toolset.image_generation = OfferedTool(kind, kind, tool, param)
    elif kind in {"function", "custom"}:
        name = in_namespace(namespace, _name(tool, param))
        toolset.functions[name] = OfferedTool(name, kind, tool, param, namespace)
    elif kind in CLIENT_TOOLS and _is_client_run(kind, tool):
        name = f"{kind}_tool" if kind in toolset.functions else kind
        toolset.functions[name] = OfferedTool(name, kind, tool, param)
    else:
        toolset.ignored.append(f"tools.{kind or 'type'}")


def _name(tool: JSON, param: str) -> str:
    if not (name := text(tool.get("name"))):
        raise errors.missing_parameter(f"{param}.name")
    return name


def _is_client_run(kind: str, tool: JSON) -> bool:
    """Return whether the client runs a tool, not OpenAI's container or servers."""
    if kind == "tool_search":
        return tool.get("execution") == "client"
    return kind != "shell" or member(tool, "environment").get("type", "local") == "local"


def in_namespace(namespace: str | None, name: str) -> str:
    """Return the name that the model sees of a tool in a namespace."""
    return f"{namespace}__{name}" if namespace else name


def function(tool: OfferedTool) -> JSON:
    """Return the chat tool for a tool."""
    definition = tool.definition
    if tool.kind == "function":
        fields = {name: value for name, value in definition.items() if name != "type"}
        return {"type": "function", "function": {**fields, "name": tool.name}}
    if tool.kind == "custom":
        return custom_tools.function(tool.name, definition.get("description"), member(definition, "format"))
    client_tool = CLIENT_TOOLS[tool.kind]
    schema = {"type": "object", "properties": client_tool.properties, "required": client_tool.required}
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": text(definition.get("description")) or client_tool.description,
            "parameters": member(definition, "parameters") or schema,
        },
    }


def web_search_options(tool: OfferedTool) -> JSON:
    """Return the options of a web search as chat's `web_search_options`; raises `BadRequest`."""
    try:
        body.validate(tool.definition, responses_schema.WebSearch)
    except errors.BadRequest as error:
        error.param = f"{tool.param}.{error.param}"
        raise
    options: JSON = {"search_context_size": tool.definition.get("search_context_size")}
    if location := body.drop_nulls(member(tool.definition, "user_location")):
        approximate = {key: value for key, value in location.items() if key != "type"}
        options["user_location"] = {"type": "approximate", "approximate": approximate}
    if filters := body.drop_nulls(member(tool.definition, "filters")):
        options["filters"] = filters
    return body.drop_nulls(options)


# tool_choice


def check_choice(choice: Any, toolset: OfferedTools, missing: Collection[str] = ()) -> None:
    """Raise `BadRequest` if `tool_choice` demands a tool that the model does not have.

    `missing` are types of hosted tools that are offered, and that the model does not have.
    """
    if (kind := demanded_tool(choice)) in missing:
        raise errors.BadRequest(
            f"This model has no {kind}, which 'tool_choice' demands.",
            param="tool_choice",
            code="unsupported_value",
        )
    hosted = {kind for kind, tool in toolset.hosted().items() if tool}
    if choice == "required" and not (toolset.functions or hosted - set(missing)):
        raise errors.BadRequest(
            "'tool_choice' requires a call, but none of the tools is available here.",
            param="tool_choice",
            code="unsupported_value",
        )


def tool_choice(choice: str | JSON, toolset: OfferedTools) -> str | JSON | None:
    """Return chat's `tool_choice`; raises `BadRequest` if it demands a tool that is not offered."""
    if isinstance(choice, dict):
        return _tool_choice(choice, toolset)
    check_choice(choice, toolset)
    return choice if toolset.functions else None


def allowed_functions(choice: Any, toolset: OfferedTools) -> list[str] | None:
    """Return the functions that `allowed_tools` leaves; None if `tool_choice` is another."""
    if mapping(choice).get("type") != "allowed_tools":
        return None
    return [name for tool in items(choice.get("tools")) if (name := _function_name(tool, toolset))]


def _tool_choice(choice: JSON, toolset: OfferedTools) -> JSON | None:
    if (names := allowed_functions(choice, toolset)) is not None:
        if not names:
            return None  # only hosted tools may be used, and they need no choice
        allowed_tools = {"mode": choice.get("mode", "auto"), "tools": list(map(_function_choice, names))}
        return {"type": "allowed_tools", "allowed_tools": allowed_tools}
    if toolset.hosted().get(demanded_tool(choice)):
        return None  # the model uses it when it needs to
    if name := _function_name(choice, toolset):
        return _function_choice(name)
    raise errors.BadRequest(
        f"'tool_choice' demands {choice.get('type')!r}, which runs on OpenAI's servers or is not in 'tools'.",
        param="tool_choice",
        code="unsupported_value",
    )


def demanded_tool(choice: Any) -> str:
    """Return the type of the tool that `tool_choice` names, without its date."""
    kind = _DATE.sub("", text(mapping(choice).get("type")))
    return WEB_SEARCH if kind in WEB_SEARCH_TYPES else kind


def _function_name(tool: JSON, toolset: OfferedTools) -> str | None:
    """Return the name of the function for a tool in `tool_choice`."""
    kind = _DATE.sub("", text(tool.get("type")))
    if kind in {"function", "custom"}:
        return in_namespace(tool.get("namespace"), text(tool.get("name")))
    return next((function.name for function in toolset.functions.values() if function.kind == kind), None)


def _function_choice(name: str) -> JSON:
    return {"type": "function", "function": {"name": name}}


# Items of calls


def is_streamed(tool: OfferedTool | None) -> bool:
    """Return whether the arguments of a call are streamed, so its item comes first."""
    return tool is None or tool.kind in {"function", "custom"}


def client_call(tool: OfferedTool, call_id: str, arguments: str) -> JSON | None:
    """Return the item of a call of a client-run tool; None if it cannot hold the arguments."""
    try:
        decoded = mapping(msgspec.json.decode(arguments))
    except (ValueError, RecursionError):
        return None
    fields = _fields(tool.kind, decoded)
    return None if fields is None else {"type": f"{tool.kind}_call", "call_id": call_id, **fields}


def _fields(kind: str, arguments: JSON) -> JSON | None:
    match kind, arguments:
        case "tool_search", _:
            return {"execution": "client", "arguments": arguments}
        case "local_shell", {"command": str() | list() as command}:
            words = ["bash", "-lc", command] if isinstance(command, str) else list(map(str, command))
            env = {name: str(value) for name, value in member(arguments, "env").items()}
            action = {"type": "exec", "command": words, "env": env, **_integers(arguments, "timeout_ms")}
            names = ("user", "working_directory")
            return {"action": action | {name: own for name in names if (own := text(arguments.get(name)))}}
        case "shell", {"commands": str() | list() as commands}:
            lines = [commands] if isinstance(commands, str) else list(map(str, commands))
            return {"action": {"commands": lines, **_integers(arguments, "timeout_ms", "max_output_length")}}
        case "apply_patch", {"type": "delete_file" as type_, "path": str(path)}:
            return {"operation": {"type": type_, "path": path}}
        case "apply_patch", {
            "type": "create_file" | "update_file" as type_,
            "path": str(path),
            "diff": str(diff),
        }:
            return {"operation": {"type": type_, "path": path, "diff": diff}}
    return None


def _integers(arguments: JSON, *names: str) -> JSON:
    return {name: value for name in names if (value := integer(arguments.get(name))) is not None}
