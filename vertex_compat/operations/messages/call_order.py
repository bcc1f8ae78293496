"""Parallel tool calls in the order of Anthropic's blocks: one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vertex_compat.types import DeltaFields, ToolCallDelta, without_field


class CallOrder:
    """Puts the fields of deltas into the order of the blocks.

    Fields that come while a call is incomplete wait until its arguments are a whole JSON value.
    """

    def __init__(self) -> None:
        self._current: int | None = None
        self._arguments: list[str] = []
        self._waiting: list[DeltaFields] = []

    def in_order(self, fields: DeltaFields) -> Iterator[DeltaFields]:
        """Yield the fields of a delta that can be encoded now; the others wait."""
        calls = fields.get("tool_calls") or ()
        if self._current is None and not calls:
            yield fields
            return
        if other_fields := without_field(fields, "tool_calls"):
            yield from self._other(other_fields)
        for call in calls:
            yield from self._call(call)

    def remaining(self) -> Iterator[DeltaFields]:
        """Yield the fields that have waited, call by call."""
        waiting, self._waiting = self._waiting, []
        self._current = None
        without_calls = [fields for fields in waiting if "tool_calls" not in fields]
        by_index: dict[int, list[DeltaFields]] = {}
        for fields in waiting:
            for call in fields.get("tool_calls") or ():
                by_index.setdefault(call["index"], []).append({"tool_calls": [call]})
        for index in sorted(by_index):
            yield from by_index[index]
        yield from without_calls

    def _call(self, call: ToolCallDelta) -> Iterator[DeltaFields]:
        index = call["index"]
        if index == self._current:
            self._arguments.append(call["function"].get("arguments") or "")
            yield {"tool_calls": [call]}
        elif self._current is None or (not self._waiting and "id" in call and self._is_complete()):
            self._current = index
            self._arguments = [call["function"].get("arguments") or ""]
            yield {"tool_calls": [call]}
        else:
            self._waiting.append({"tool_calls": [call]})

    def _other(self, fields: DeltaFields) -> Iterator[DeltaFields]:
        if self._current is None or not (fields.keys() & {"content", "reasoning_content"}):
            yield fields
        elif not self._waiting and self._is_complete():
            self._current = None
            yield fields
        else:
            self._waiting.append(fields)

    def _is_complete(self) -> bool:
        arguments = "".join(self._arguments)
        self._arguments = [arguments]
        try:
            msgspec.json.decode(arguments)
        except (ValueError, RecursionError):
            return False
        return True
