"""Anthropic's client tools as functions, for models that were not trained on them.

The schemas follow the vendor's descriptions of each tool's input:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/bash-tool, …/text-editor-tool,
…/computer-use-tool, …/memory-tool. A call comes back under the tool's own name.
"""

from __future__ import annotations

import re
from typing import Any, Final

from vertex_compat.types import JSON


def _string(description: str) -> JSON:
    return {"type": "string", "description": description}


def _integer(description: str) -> JSON:
    return {"type": "integer", "description": description}


def _pair(description: str) -> JSON:
    return {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2} | {
        "description": description
    }


def _enum(description: str, *values: str) -> JSON:
    return {"type": "string", "enum": list(values), "description": description}


def _object(required: list[str], **properties: JSON) -> JSON:
    return {"type": "object", "properties": properties, "required": required}


_PATH: Final = _string("Absolute path to the file or directory.")
_VIEW_RANGE: Final = _pair("First and last line to view, counted from 1; -1 as the last means the end.")

BASH: Final = _object(
    [],
    command=_string("The command to run. Required unless restart is true."),
    restart={"type": "boolean", "description": "Restart the shell session."},
)

TEXT_EDITOR: Final = _object(
    ["command", "path"],
    command=_enum("What to do.", "view", "create", "str_replace", "insert"),
    path=_PATH,
    file_text=_string("With create: the content of the file."),
    old_str=_string("With str_replace: the text to replace; it must occur exactly once."),
    new_str=_string("With str_replace: the text that replaces it."),
    insert_line=_integer("With insert: the line after which to insert; 0 is the beginning."),
    insert_text=_string("With insert: the text to insert."),
    view_range=_VIEW_RANGE,
)

MEMORY: Final = _object(
    ["command"],
    command=_enum("What to do.", "view", "create", "str_replace", "insert", "delete", "rename"),
    path=_string("Path under /memories."),
    file_text=_string("With create: the content of the file."),
    old_str=_string("With str_replace: the text to replace."),
    new_str=_string("With str_replace: the text that replaces it."),
    insert_line=_integer("With insert: the line after which to insert."),
    insert_text=_string("With insert: the text to insert."),
    old_path=_string("With rename: the present path."),
    new_path=_string("With rename: the new path."),
    view_range=_VIEW_RANGE,
)

_ACTIONS: Final = (
    "screenshot",
    "left_click",
    "right_click",
    "middle_click",
    "double_click",
    "triple_click",
    "left_click_drag",
    "left_mouse_down",
    "left_mouse_up",
    "mouse_move",
    "cursor_position",
    "key",
    "hold_key",
    "type",
    "scroll",
    "wait",
    "zoom",
)

COMPUTER: Final = _object(
    ["action"],
    action=_enum("What to do.", *_ACTIONS),
    coordinate=_pair("x and y in pixels from the upper left corner."),
    start_coordinate=_pair("With left_click_drag: where the drag starts."),
    text=_string("With type, key and hold_key: the text or keys; with clicks: keys that are held down."),
    scroll_direction=_enum("With scroll.", "up", "down", "left", "right"),
    scroll_amount=_integer("With scroll: number of clicks of the wheel."),
    duration={"type": "number", "description": "With wait and hold_key: seconds."},
    region={"type": "array", "items": {"type": "integer"}, "description": "With zoom: x0, y0, x1, y1."},
)

SCHEMAS: Final[tuple[tuple[re.Pattern[str], str, JSON], ...]] = (
    (re.compile(r"bash_20\d{6}"), "Run commands in a persistent bash shell.", BASH),
    (re.compile(r"text_editor_20\d{6}"), "View, create and edit text files.", TEXT_EDITOR),
    (re.compile(r"memory_20\d{6}"), "Read and write files of the memory directory.", MEMORY),
    (re.compile(r"computer_20\d{6}"), "Control a computer's screen, mouse and keyboard.", COMPUTER),
)
"""Type of a tool, its description, and its input."""


def function(tool: JSON) -> JSON | None:
    """Return the function for a tool of Anthropic's.

    None for a tool that the client does not run.
    """
    kind, name = tool.get("type"), tool.get("name")
    for pattern, description, schema in SCHEMAS:
        if name and isinstance(kind, str) and pattern.fullmatch(kind):
            return {"name": name, "description": description + _screen(tool), "parameters": schema}
    return None


def _screen(tool: JSON) -> str:
    size: tuple[Any, Any] = tool.get("display_width_px"), tool.get("display_height_px")
    return f" The screen has {size[0]} x {size[1]} pixels." if all(size) else ""
