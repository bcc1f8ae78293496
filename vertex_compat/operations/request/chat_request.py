"""A request of another API as a chat request, and where each of its parameters came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from vertex_compat import errors
from vertex_compat.types import JSON, ChatAdapter

CODE_INTERPRETER: Final[JSON] = {"type": "code_interpreter"}
"""The chat tool for code that the publisher runs."""

SEARCH_TOOL: Final = "tools.web_search"
CODE_TOOL: Final = "tools.code_interpreter"

_LAST_SEGMENT: Final = re.compile(r"(?:\.[^.\[\]]*|\[[^\[\]]*\])$")


class ParamNames:
    """The origin of each chat parameter: `messages[2].content[0]` → `messages[1].content[3]`.

    A parameter with no origin of its own has that of the value around it. Without any origin, it has its own
    name.
    """

    def __init__(self, origins: Mapping[str, str]) -> None:
        self._origins = origins

    def of(self, param: str) -> str:
        """Return the client's name of `param`, a path such as `messages[0].content`."""
        path = param
        while path:
            if path in self._origins:
                return self._origins[path]
            shorter = _LAST_SEGMENT.sub("", path)
            path = shorter if shorter != path else ""
        return param

    def of_ignored(self, params: Iterable[str], body: JSON) -> list[str]:
        """Return the client's names of the ignored parameters of a chat `body`, each once.

        What the client sent as one may have become several parameters; it is ignored only if all of them are.
        """
        ignored = dict.fromkeys(params)
        used_params = {self.of(name) for name in body if name not in ignored}
        return [name for name in dict.fromkeys(map(self.of, ignored)) if name not in used_params]

    @contextmanager
    def in_errors(self) -> Iterator[None]:
        """Give errors about the chat body the names of the client's parameters."""
        try:
            yield
        except errors.ApiError as error:
            rename_param(error, self)
            raise


def rename_param(error: errors.ApiError, names: ParamNames) -> None:
    """Replace the chat parameter that an error names by the client's."""
    if error.param and (own := names.of(error.param)) != error.param:
        error.message = error.message.replace(f"'{error.param}'", f"'{own}'")
        error.param = own


class ChatRequest(NamedTuple):
    """The chat body, the origin of its parameters, and the client's parameters that it lacks."""

    body: JSON
    names: ParamNames
    ignored: tuple[str, ...]

    def for_adapter(self, adapter: ChatAdapter) -> ChatRequest:
        """Return the request for a publisher: without hosted tools that it does not have."""
        body, left_out = without_hosted_tools(self.body, adapter)
        if body is self.body:
            return self
        own = {SEARCH_TOOL: self.names.of("web_search_options"), CODE_TOOL: self.names.of(CODE_TOOL)}
        ignored = [own.get(name, name) for name in left_out]
        return ChatRequest(body, self.names, (*self.ignored, *ignored))


def without_hosted_tools(body: JSON, adapter: ChatAdapter) -> tuple[JSON, tuple[str, ...]]:
    """Return a chat body without the tools that a publisher does not run, and their names.

    The client offers them among other tools, so the model can do without them.
    """
    ignored: list[str] = []
    if "web_search_options" in body and not adapter.searches_web:
        body = {name: value for name, value in body.items() if name != "web_search_options"}
        ignored.append(SEARCH_TOOL)
    if CODE_INTERPRETER in (tools := body.get("tools", ())) and not adapter.runs_code:
        body = body | {"tools": [tool for tool in tools if tool != CODE_INTERPRETER]}
        ignored.append(CODE_TOOL)
    return body, tuple(ignored)
