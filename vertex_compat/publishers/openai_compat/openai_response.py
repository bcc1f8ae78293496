"""Answers in OpenAI's form: of Mistral, Jamba, MaaS models and deployed models.

Servers leave out fields, or have them elsewhere. Chunks may have no id, or a role in each of them. The usage
may be in the last choice's chunk or in its own one. Finish reasons may be the server's own words. Tool calls
may repeat id and name in every chunk, have a wrong index, or no id. Content may be a list of parts. A field
of a wrong type reads as an absent one, so it never costs the client the text.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import count, items, mapping, member, text
from vertex_compat.types import (
    JSON,
    Delta,
    DeltaFields,
    StreamPart,
    StreamTranslator,
    TextEvent,
    ToolCallDelta,
    UpstreamCall,
    Usage,
    parts_of,
)

_log = logging.getLogger(__name__)

FINISH_REASONS: Final = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "model_length": "length",  # Mistral: the model's limit, not the request's
    "eos_token": "stop",  # TGI
    "stop_sequence": "stop",  # TGI
    "abort": "stop",  # vLLM
    "repetition": "stop",  # vLLM
}

FAILED: Final = "error"
"""Mistral's finish reason of an answer that the server could not complete."""

MAX_CHOICES: Final = 128
"""OpenAI's limit of `n`; an index beyond it is no index."""

_READ_HERE: Final = frozenset(
    {"annotations", "content", "function_call", "reasoning", "reasoning_content", "role", "tool_calls"}
)
_FIELD_TYPES: Final[Mapping[str, type]] = {"audio": dict, "refusal": str}
"""Fields of OpenAI's message that pass through if they have OpenAI's type."""

_NO_IDS: Final = frozenset({"", "null"})


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """Return the parts of a whole answer."""
    return parts_of(_AnswerReader(call).read(body))


def stream(call: UpstreamCall) -> StreamTranslator:
    """Return the translator of one stream."""
    return _AnswerReader(call).read


class _AnswerReader:
    """Reads one answer: chunks with a `delta`, or one body with a `message`."""

    def __init__(self, call: UpstreamCall) -> None:
        self._tool_names = call.tool_names
        self._calls: dict[int, _ToolCallReader] = {}
        self._has_text = False
        self._counts: JSON = {}

    def read(self, answer: JSON) -> TextEvent | Iterable[StreamPart]:
        """Return the parts in a chunk or in a whole answer. Nearly every chunk is one more text."""
        try:
            (choice,) = answer["choices"]
            delta = choice["delta"]
            content = delta["content"]
            number = choice["index"]
        except (KeyError, TypeError, ValueError):  # more than a text, or a server that leaves fields out
            return self._read(answer)
        if (
            content
            and type(content) is str
            and type(number) is int
            and 0 <= number < MAX_CHOICES
            and len(delta) == 1 + ("role" in delta)
            and not (answer.get("usage") or choice.get("finish_reason") or choice.get("logprobs"))
        ):
            self._has_text = True
            return TextEvent(number, content, bool)  # an empty text may be a sign of other fields
        return self._read(answer)

    def _read(self, answer: JSON) -> Iterator[StreamPart]:
        for position, choice in enumerate(items(answer.get("choices"))):
            yield self._choice(choice, index(choice.get("index"), position))
            if choice.get("finish_reason") == FAILED:
                raise errors.UpstreamFault("The model ended its answer with an error.", retryable=True)
        if counts := member(answer, "usage"):
            # A later event may have nulls where an earlier one had counts.
            self._counts |= {name: value for name, value in counts.items() if value is not None}
            yield usage(self._counts)

    def _choice(self, choice: JSON, number: int) -> Delta:
        message, is_whole = self._message(choice)
        finish = _finish_reason(choice.get("finish_reason"))
        fields = _fields(message)
        calls = items(calls) if (calls := message.get("tool_calls")) else []
        if not calls and (legacy := member(message, "function_call")):
            calls = [{"function": legacy}]
        reader = self._calls.get(number)
        if calls:
            reader = self._calls.setdefault(number, reader or _ToolCallReader(self._tool_names))
            fields["tool_calls"] = list(reader.read(calls, is_whole=is_whole))
        if is_whole and finish is None:
            finish = "stop"
        if reader and finish:
            finish = "tool_calls" if finish == "stop" else finish
            if unfinished_calls := list(reader.complete()):
                fields["tool_calls"] = [*fields.get("tool_calls", []), *unfinished_calls]
        self._has_text = self._has_text or "content" in fields
        return Delta(
            number, fields, finish, _logprobs(choice.get("logprobs")), stop_sequence=_stop_sequence(choice)
        )

    def _message(self, choice: JSON) -> tuple[JSON, bool]:
        """Return the choice's message or delta, and whether it is the whole message.

        Some servers (Perplexity) send both. Then the delta counts, unless it is empty and no text has come
        before: their `message` repeats all text so far.
        """
        delta = choice.get("delta")
        if "message" not in choice and isinstance(delta, dict):
            return delta, False
        message = member(choice, "message")
        if not isinstance(delta, dict):
            return message, bool(message) or "delta" not in choice
        if message and not self._has_text and not (_fields(delta) or delta.get("tool_calls")):
            return message, True
        return delta, False


class _ToolCallReader:
    """Reads the tool calls of one choice, and counts them in the order in which they begin."""

    def __init__(self, tool_names: Mapping[str, str]) -> None:
        self._tool_names = tool_names
        self._of_id: dict[str, int] = {}
        self._of_index: dict[int, int] = {}
        self._without_arguments: list[bool] = []  # of each call

    def read(self, calls: Iterable[JSON], *, is_whole: bool) -> Iterator[ToolCallDelta]:
        """Return OpenAI's deltas for `calls`; in a whole message each one is a call of its own."""
        for delta in calls:
            function = member(delta, "function")
            number = None if is_whole else self._call_number(delta, function)
            if number is None:
                number = len(self._without_arguments)
                yield self._begin(number, delta, function)
            if arguments := _arguments(function.get("arguments")):
                self._without_arguments[number] = False
                yield {"index": number, "function": {"arguments": arguments}}

    def complete(self) -> Iterator[ToolCallDelta]:
        """Return the deltas that give calls without arguments an empty object as their arguments."""
        for number, is_empty in enumerate(self._without_arguments):
            if is_empty:
                self._without_arguments[number] = False
                yield {"index": number, "function": {"arguments": "{}"}}

    def _call_number(self, delta: JSON, function: JSON) -> int | None:
        """Return the number of the call that a delta continues, None if it begins one.

        The id decides. Without one the index does, unless there is a name again.
        """
        if (id_ := _call_id(delta)) is not None:
            return self._of_id.get(id_)
        if function.get("name"):
            return None
        last = len(self._without_arguments) - 1 if self._without_arguments else None
        return self._of_index.get(index(delta.get("index"), -1), last)

    def _begin(self, number: int, delta: JSON, function: JSON) -> ToolCallDelta:
        id_, name = _call_id(delta), text(function.get("name"))
        if id_ is None or id_ in self._of_id:
            id_ = f"call_{secrets.token_hex(12)}"
        self._of_id[id_] = number
        self._of_index[index(delta.get("index"), number)] = number
        self._without_arguments.append(True)
        call: ToolCallDelta = {
            "index": number,
            "id": id_,
            "type": "function",
            "function": {"name": self._tool_names.get(name, name), "arguments": ""},
        }
        if extra := member(delta, "extra_content"):
            call["extra_content"] = extra
        return call


def index(value: Any, default: int) -> int:
    """Return an index if `value` is one, else the default."""
    is_index = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_CHOICES
    return value if is_index else default


def _call_id(delta: JSON) -> str | None:
    """Return the id of a call, None if it has none.

    TGI numbers its calls; the type of Mistral's SDK has a default of "null".
    """
    id_ = delta.get("id")
    id_ = str(id_) if isinstance(id_, int) else id_
    return id_ if isinstance(id_, str) and id_ not in _NO_IDS else None


def _arguments(arguments: Any) -> str:
    """Return arguments as JSON text, OpenAI's form; TGI gives an object."""
    if isinstance(arguments, str) or arguments is None:
        return arguments or ""
    return msgspec.json.encode(arguments).decode()


def _fields(message: JSON) -> DeltaFields:
    """Return the fields of a delta but for its calls. Fields of the server's own pass through."""
    fields: JSON = {}
    if content := message.get("content"):
        for field, part in [("content", content)] if type(content) is str else _texts(content):
            fields[field] = fields.get(field, "") + part
    if reasoning := _reasoning(message):
        fields["reasoning_content"] = fields.get("reasoning_content", "") + reasoning
    if own := message.keys() - _READ_HERE:
        fields |= {name: message[name] for name in message if name in own and _passes(name, message[name])}
    if "annotations" in message and (valid := [*filter(_is_annotation, items(message["annotations"]))]):
        fields["annotations"] = valid
    return cast("DeltaFields", fields)


def _reasoning(message: JSON) -> str:
    """Return the reasoning under its older name, or under the name that vLLM has now."""
    for name in ("reasoning_content", "reasoning"):
        if value := message.get(name):
            if type(value) is str:
                return value
            if parts := _texts(value):
                return "".join([part for _, part in parts])
    return ""


def _passes(name: str, value: Any) -> bool:
    """Return whether a field passes through: it has a value, of OpenAI's type if it is OpenAI's."""
    return value not in (None, "", []) and isinstance(value, _FIELD_TYPES.get(name, object))


def _is_annotation(annotation: JSON) -> bool:
    """Return whether an annotation is OpenAI's `url_citation`, the only one that chat has."""
    match annotation:
        case {
            "type": "url_citation",
            "url_citation": {"url": str(), "title": str(), "start_index": int(), "end_index": int()},
        }:
            return True
    return False


def _texts(content: Any) -> list[tuple[str, str]]:
    """Return the texts of a content, each with its field; a content may be a list of parts."""
    parts = content if isinstance(content, list) else [content]
    return [text for part in parts for text in part_texts(part)]


def part_texts(part: Any) -> list[tuple[str, str]]:
    """Return the texts of one part of a content, each with its field of the message."""
    match part:
        case str() if part:
            return [("content", part)]
        case {"type": "thinking", "thinking": [*thoughts]}:
            return [("reasoning_content", text(thought.get("text"))) for thought in items(thoughts)]
        case {"type": "thinking", "thinking": str(thought)}:
            return [("reasoning_content", thought)]
        case {"text": str(content)}:  # of any type
            return [("content", content)]
    return []


def _finish_reason(reason: Any) -> str | None:
    """Return OpenAI's finish reason; an unknown one is `stop`."""
    if not reason or reason == FAILED:
        return None
    if isinstance(reason, str) and reason in FINISH_REASONS:
        return FINISH_REASONS[reason]
    _log.warning("unknown finish_reason: %.80s", reason)
    return "stop"


def _stop_sequence(choice: JSON) -> str | None:
    """Return the stop sequence that vLLM or SGLang names. Of a stop token they name the number."""
    for name in ("stop_reason", "matched_stop"):
        if isinstance(sequence := choice.get(name), str):
            return sequence
    return None


def _logprobs(logprobs: Any) -> JSON | None:
    """Return log probabilities of the tokens, without entries that are not OpenAI's."""
    if not logprobs:
        return None
    content = [
        {**entry, "top_logprobs": list(filter(_is_logprob, items(entry.get("top_logprobs"))))}
        for entry in items(mapping(logprobs).get("content"))
        if _is_logprob(entry)
    ]
    return {"content": content, "refusal": None} if content else None


def _is_logprob(entry: JSON) -> bool:
    match entry:
        case {"token": str(), "logprob": int() | float()}:
            return isinstance(entry.get("bytes"), list | None)
    return False


def usage(counts: JSON) -> Usage:
    """Return the token counts, with reasoning inside the completion.

    Gemini and Grok count reasoning apart from the completion. The total shows it, or that there is more
    reasoning than completion.
    """
    prompt, completion = count(counts.get("prompt_tokens")), count(counts.get("completion_tokens"))
    reasoning = count(member(counts, "completion_tokens_details").get("reasoning_tokens"))
    total = count(counts.get("total_tokens"))
    if reasoning and (total == prompt + completion + reasoning or reasoning > completion):
        completion += reasoning
    cached = count(member(counts, "prompt_tokens_details").get("cached_tokens"))
    return Usage(
        prompt=prompt,
        completion=completion,
        prompt_details={"cached_tokens": min(cached, prompt)},
        completion_details={"reasoning_tokens": reasoning},
    )
