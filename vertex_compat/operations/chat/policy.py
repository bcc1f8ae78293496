"""OpenAI's rules for the form of a response that hold for every model.

* `functions`, the older API, is answered with one `function_call` without ids.
* `parallel_tool_calls: false` allows one call. Publishers without such a setting sometimes make several: the
  first is returned, and a model that still needs the others calls them again.
* A call of a custom tool has the tool's own form: see `custom_tools`.
* `enforce_validation`, which is LiteLLM's: an answer that does not fit its JSON Schema is an error.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from vertex_compat.operations.chat import schema_validation
from vertex_compat.operations.chat.custom_tools import CustomCalls
from vertex_compat.operations.upstream_stream import StreamEncoder
from vertex_compat.types import (
    JSON,
    Delta,
    DeltaFields,
    FunctionCallDelta,
    StreamPart,
    ToolCallDelta,
    without_field,
)


class OpenAIResponsePolicy:
    """The rules for one response. Pass every part through `apply`; call `check` at the end."""

    def __init__(self, params: JSON, custom_tools: Collection[str] = ()) -> None:
        self._custom = CustomCalls(custom_tools) if custom_tools else None
        self._legacy = "functions" in params and "tools" not in params
        self._single = self._legacy or params.get("parallel_tool_calls") is False
        self._validate = schema_validation.validator(params)
        self._texts: dict[int, list[str]] = {}
        self._without_answer: set[int] = set()

    def wrap(self, encoder: StreamEncoder[StreamPart]) -> StreamEncoder[StreamPart]:
        """Return an encoder that applies the rules to each part; `encoder` itself if there are none."""
        return _PolicyEncoder(encoder, self) if self._single or self._validate or self._custom else encoder

    def apply(self, number: int, part: StreamPart) -> StreamPart:
        """Return the part of upstream response `number` as the rules allow it."""
        if not isinstance(part, Delta):
            return part
        if self._validate:
            self._record(number + part.choice, part)
        if self._single and (calls := part.fields.get("tool_calls")):
            first = [call for call in calls if call["index"] == 0]
            fields = without_field(part.fields, "tool_calls")
            part = replace(part, fields=fields | (self._single_call(first) if first else {}))
        if self._custom:
            part = self._custom.apply(number + part.choice, part)
        if self._legacy and part.finish_reason == "tool_calls":
            part = replace(part, finish_reason="function_call")
        return part

    def check(self) -> None:
        """Raise `SchemaMismatch` if an answer does not fit its schema.

        A choice with calls has no answer.
        """
        if self._validate:
            for choice in sorted(self._texts.keys() - self._without_answer):
                self._validate("".join(self._texts[choice]))

    def _single_call(self, calls: list[ToolCallDelta]) -> DeltaFields:
        """The parts of one call as fields of a delta; in the older API they are one object."""
        if not self._legacy:
            return {"tool_calls": calls}
        function: FunctionCallDelta = {}
        for call in reversed(calls):  # the first name and the first signature count
            if "name" in call["function"]:
                function["name"] = call["function"]["name"]
            if "extra_content" in call:
                function["extra_content"] = call["extra_content"]
        function["arguments"] = "".join([call["function"].get("arguments", "") for call in calls])
        return {"function_call": function}

    def _record(self, choice: int, delta: Delta) -> None:
        self._texts.setdefault(choice, []).append(delta.fields.get("content") or "")
        if "tool_calls" in delta.fields or delta.finish_reason == "content_filter":
            self._without_answer.add(choice)


class _PolicyEncoder:
    """An encoder that applies the rules to each part first."""

    def __init__(self, encoder: StreamEncoder[StreamPart], policy: OpenAIResponsePolicy) -> None:
        self.keepalive = encoder.keepalive
        self._encoder = encoder
        self._policy = policy

    def encode(self, number: int, part: StreamPart) -> bytes:
        """Encode the part as the rules allow it."""
        return self._encoder.encode(number, self._policy.apply(number, part))

    def finish(self) -> bytes:
        """Check the response, then return the last events."""
        self._policy.check()
        return self._encoder.finish()
