"""The tools of a Messages API request as chat's functions, web search and code interpreter.

Functions are translated, and so are Anthropic's tools that the client runs: they become functions. The web
search and the code execution become the model's own. Other tools of Anthropic's servers are left out and
named.
"""

from __future__ import annotations

from typing import Final

from vertex_compat import errors
from vertex_compat.operations.messages import client_tools
from vertex_compat.operations.messages.code_execution import is_code_execution
from vertex_compat.operations.request.body import drop_nulls
from vertex_compat.operations.request.chat_request import CODE_INTERPRETER
from vertex_compat.types import JSON

_FUNCTION_FIELDS: Final = frozenset({"description", "input_schema", "name", "strict", "type"})
_SEARCH_FIELDS: Final = frozenset({"allowed_domains", "blocked_domains", "name", "type", "user_location"})
_CODE_FIELDS: Final = frozenset({"name", "type"})
_SERVER_TOOLS: Final = frozenset({"code_execution", "web_search"})
_HINTS: Final = frozenset({"cache_control", "eager_input_streaming"})
"""Fields of a tool about the way it is served. The answer does not depend on them."""


def is_web_search(tool: JSON) -> bool:
    """Return whether `tool` is Anthropic's web search, of whichever date."""
    return str(tool.get("type")).startswith("web_search_")


def is_server_tool(tool: JSON) -> bool:
    """Return whether `tool` is one of Anthropic's servers that a publisher has, too."""
    return is_web_search(tool) or is_code_execution(tool)


class ToolReader:
    """Collects chat's parameters for tools, their origins, and the names of ignored ones."""

    def __init__(self) -> None:
        self.fields: JSON = {}
        self.origins: dict[str, str] = {}
        self.ignored: list[str] = []
        self._functions: list[JSON] = []
        self._code_execution: str | None = None  # its path
        self._offers_server_tools = True

    def read(self, tools: list[JSON], choice: JSON) -> None:
        """Add the tools and the choice among them; raises `BadRequest`."""
        self._offers_server_tools = choice.get("type") != "none"
        for number, tool in enumerate(tools):
            self._read_tool(tool, f"tools[{number}]")
        chat_tools: list[JSON] = [{"type": "function", "function": function} for function in self._functions]
        if self._code_execution:
            self.origins[f"tools[{len(chat_tools)}]"] = self._code_execution
            chat_tools.append(CODE_INTERPRETER)
        if chat_tools:
            self.fields["tools"] = chat_tools
        if self._functions:
            self.fields |= _tool_choice(choice, {function["name"] for function in self._functions})
        if choice.get("type") in {"any", "tool"} and "tool_choice" not in self.fields:
            self.ignored.append("tool_choice")  # a search can be offered, not demanded

    def _read_tool(self, tool: JSON, path: str) -> None:
        if (tool.get("type") or "custom") == "custom":
            self._add_function(_function(tool, path), path)
            self._ignore_unknown(tool, path, _FUNCTION_FIELDS)
        elif function := client_tools.function(tool):
            self._add_function(function, path)
        elif is_server_tool(tool):
            if self._offers_server_tools:
                self._read_server_tool(tool, path)
        else:
            self.ignored.append(f"tools.{tool['type']}")

    def _add_function(self, function: JSON, path: str) -> None:
        own = f"tools[{len(self._functions)}]"
        self.origins |= {own: path, f"{own}.function.parameters": f"{path}.input_schema"}
        self._functions.append(function)

    def _read_server_tool(self, tool: JSON, path: str) -> None:
        if is_web_search(tool):
            self._read_web_search(tool)
        else:
            self._read_code_execution(tool, path)

    def _read_code_execution(self, tool: JSON, path: str) -> None:
        self._code_execution = path
        self.origins["tools.code_interpreter"] = f"tools.{tool['type']}"
        self._ignore_unknown(tool, f"tools.{tool['type']}", _CODE_FIELDS)

    def _read_web_search(self, tool: JSON) -> None:
        path = f"tools.{tool['type']}"
        self._ignore_unknown(tool, path, _SEARCH_FIELDS)
        options: JSON = {}
        if isinstance(location := tool.get("user_location"), dict):
            approximate = {name: value for name, value in drop_nulls(location).items() if name != "type"}
            options["user_location"] = {"type": "approximate", "approximate": approximate}
        if filters := drop_nulls({kind: tool.get(kind) for kind in ("allowed_domains", "blocked_domains")}):
            options["filters"] = filters
        self.fields["web_search_options"] = options
        self.origins |= {
            "web_search_options": path,
            "web_search_options.user_location": f"{path}.user_location",
            **{f"web_search_options.filters.{kind}": f"{path}.{kind}" for kind in filters},
        }

    def _ignore_unknown(self, tool: JSON, path: str, translated: frozenset[str]) -> None:
        """Note the fields of a tool that chat has not, such as `input_examples` and `max_uses`."""
        translated |= _HINTS
        self.ignored += [f"{path}.{name}" for name, value in tool.items() if value and name not in translated]


def _function(tool: JSON, path: str) -> JSON:
    if not tool.get("name"):
        raise errors.missing_parameter(f"{path}.name")
    function = {"name": tool["name"], "description": tool.get("description")}
    function |= {"parameters": tool.get("input_schema"), "strict": tool.get("strict")}
    return drop_nulls(function)


def _tool_choice(choice: JSON, names: set[str]) -> JSON:
    fields: JSON = {}
    if choice.get("disable_parallel_tool_use"):
        fields["parallel_tool_calls"] = False
    match choice.get("type"):
        case "any":
            fields["tool_choice"] = "required"
        case "tool" if choice.get("name") in names:
            fields["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
        case "tool" if choice.get("name") not in _SERVER_TOOLS:
            raise errors.BadRequest(
                f"'tool_choice' names {str(choice.get('name'))[:100]!r}, which is not among the tools.",
                param="tool_choice.name",
                code="invalid_value",
            )
        case "auto" | "none" as mode:
            fields["tool_choice"] = mode
    return fields
