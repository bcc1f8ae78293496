"""Code that the publisher ran, as Anthropic's code execution blocks, and these as text.

anthropic 2.11, types/server_tool_use_block.py and types/code_execution_tool_result_block.py. Files that the
code has written would need Anthropic's Files API: `content` of a result is always empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from vertex_compat.json_values import mapping, text
from vertex_compat.publishers.code_fences import code_block
from vertex_compat.types import JSON, CodeExecution

if TYPE_CHECKING:
    from vertex_compat.operations.messages import answer_types as wire

TOOL: Final = "code_execution"

_LANGUAGES: Final = {TOOL: ("code", "python"), "bash_code_execution": ("command", "bash")}
"""Name of a call → the field of its input that has the code, and the code's language."""


def is_code_execution(tool: JSON) -> bool:
    """Return whether `tool` is Anthropic's code execution, of whichever date."""
    return str(tool.get("type")).startswith(f"{TOOL}_")


def call_block(id_: str) -> wire.ServerToolUseBlock:
    """Return the block of a call whose input has not come yet."""
    return {"type": "server_tool_use", "id": id_, "name": TOOL, "input": {}}


def result_block(call_id: str, execution: CodeExecution) -> wire.CodeExecutionToolResultBlock:
    """Return the block of what code has written: to `stderr` if it has failed."""
    output = execution.output or ""
    result: wire.CodeExecutionResultBlock = {
        "type": "code_execution_result",
        "stdout": "" if execution.failed else output,
        "stderr": output if execution.failed else "",
        "return_code": 1 if execution.failed else 0,
        "content": [],
    }
    return {"type": "code_execution_tool_result", "tool_use_id": call_id, "content": result}


def call_text(block: JSON) -> str:
    """Return the code of a call in the history for models of other publishers; may be empty."""
    name, input_ = text(block.get("name")), mapping(block.get("input"))
    if name in _LANGUAGES:
        field, language = _LANGUAGES[name]
        if isinstance(code := input_.get(field), str):
            return code_block(language, code)
    return code_block("json", _encode(input_)) if name.endswith(TOOL) else ""


def result_text(block: JSON) -> str:
    """Return what code has written, from a result in the history."""
    return "".join(_result_texts(mapping(block.get("content"))))


def _result_texts(result: JSON) -> Iterator[str]:
    if "return_code" not in result:  # an error, or a file that a text editor has shown or changed
        fields = {name: value for name, value in result.items() if name != "type"}
        yield code_block("error" if "error_code" in fields else "output", _encode(fields))
        return
    yield code_block("output", text(result.get("stdout")))
    if stderr := text(result.get("stderr")):
        yield code_block("error", stderr)


def _encode(value: JSON) -> str:
    return msgspec.json.encode(value).decode()
