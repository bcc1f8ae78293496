"""What OpenAI promises about the form of an answer, whoever the model is.

* `functions`, the older API, is answered with one `function_call` and no ids.
* `parallel_tool_calls: false` brings one call at most. Publishers that have no such setting make several now
  and then: the first counts, and a model that still wants the others calls them again.
* `enforce_validation`, which is LiteLLM's: an answer that does not fit its schema is an error.
"""

from __future__ import annotations

from msgspec.structs import replace

from vertex_compat.operations.chat import schema_validation
from vertex_compat.operations.model_calls import StreamEncoder
from vertex_compat.types import JSON, Delta, StreamPart


class OpenAIResponsePolicy:
    """The promises for one answer. Every piece has to pass `kept`, and the end is told to `check`."""

    def __init__(self, given: JSON) -> None:
        self._legacy = "functions" in given and "tools" not in given
        self._single = self._legacy or given.get("parallel_tool_calls") is False
        self._validate = schema_validation.validator(given)
        self._texts: dict[int, list[str]] = {}
        self._called: set[int] = set()

    def wrap(self, writer: StreamEncoder) -> StreamEncoder:
        """`writer`, whose pieces are as they were promised."""
        return _PolicyEncoder(writer, self) if self._single or self._validate else writer

    def apply(self, answer: int, piece: StreamPart) -> StreamPart:
        """The piece of upstream answer number `answer` as it was promised."""
        if not isinstance(piece, Delta):
            return piece
        if self._validate:
            self._note(answer + piece.choice, piece)
        if self._single and (calls := piece.fields.get("tool_calls")):
            first = [call for call in calls if call["index"] == 0]
            rest = {name: value for name, value in piece.fields.items() if name != "tool_calls"}
            piece = replace(piece, fields=rest | (self._called_once(first) if first else {}))
        if self._legacy and piece.finish_reason == "tool_calls":
            piece = replace(piece, finish_reason="function_call")
        return piece

    def check(self) -> None:
        """Raise `SchemaMismatch` if an answer is not as its schema says; one that calls has none to fit."""
        if self._validate:
            for choice in sorted(self._texts.keys() - self._called):
                self._validate("".join(self._texts[choice]))

    def _called_once(self, calls: list[JSON]) -> JSON:
        """The pieces of a call as its fields in a delta; the older API has it without a list."""
        if not self._legacy:
            return {"tool_calls": calls}
        function = {name: value for call in calls for name, value in call["function"].items()}
        function["arguments"] = "".join([call["function"].get("arguments", "") for call in calls])
        beside = [{"extra_content": call["extra_content"]} for call in calls if "extra_content" in call]
        return {"function_call": function | (beside[0] if beside else {})}

    def _note(self, choice: int, piece: Delta) -> None:
        self._texts.setdefault(choice, []).append(piece.fields.get("content") or "")
        if "tool_calls" in piece.fields or piece.finish_reason == "content_filter":
            self._called.add(choice)


class _PolicyEncoder:
    """A writer whose pieces are as they were promised."""

    def __init__(self, writer: StreamEncoder, contract: OpenAIResponsePolicy) -> None:
        self._writer = writer
        self._contract = contract

    def encode(self, answer: int, piece: StreamPart) -> bytes:
        """As the writer does."""
        return self._writer.encode(answer, self._contract.apply(answer, piece))

    def finish(self) -> bytes:
        """As the writer does, if the answer is what it should be."""
        self._contract.check()
        return self._writer.finish()
