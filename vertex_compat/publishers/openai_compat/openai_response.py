"""What the publishers that speak OpenAI's wire answer: Mistral, Jamba, Llama and the others, deployed models.

They speak it with accents. Chunks without id, with the role in each of them, with the usage beside the last
choice or in a chunk of its own, with reasons of their own; tool calls whose id and name are in every piece,
or whose index is wrong, or that have no id at all; content in chunks of several types. Read here, once.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from vertex_compat.types import JSON, Delta, StreamPart, StreamTranslator, UpstreamCall, Usage

_log = logging.getLogger(__name__)

FINISH: Final = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "model_length": "length",  # Mistral: the model's limit, not the request's
    "error": "stop",  # Mistral
    "eos_token": "stop",  # TGI
    "stop_sequence": "stop",  # TGI
    "abort": "stop",  # vLLM
    "repetition": "stop",  # vLLM
}

_READ_HERE: Final = frozenset(
    {"content", "function_call", "reasoning", "reasoning_content", "role", "tool_calls"}
)
_NO_IDS: Final = frozenset({None, "", "null"})


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """The pieces of a whole answer."""
    return _Reader(call).read(body)


def stream(call: UpstreamCall) -> StreamTranslator:
    """The reader of one stream."""
    return _Reader(call).read


class _Reader:
    """One answer: chunks with a `delta`, or all of it with a `message`."""

    def __init__(self, call: UpstreamCall) -> None:
        self._names = call.tool_names
        self._calls: dict[int, _Calls] = {}

    def read(self, answer: JSON) -> Iterable[StreamPart]:
        """The pieces that a chunk, or the whole answer, brings. Nearly always it is more text."""
        try:
            (choice,) = answer["choices"]
            said = choice["delta"]
            text = said["content"]
            index = choice["index"]
        except (KeyError, TypeError, ValueError):  # something else, or an accent
            return self._read(answer)
        if (
            text
            and type(text) is str
            and len(said) == 1 + ("role" in said)
            and not (answer.get("usage") or choice.get("finish_reason") or choice.get("logprobs"))
        ):
            return (Delta(index or 0, {"content": text}),)
        return self._read(answer)

    def _read(self, answer: JSON) -> Iterator[StreamPart]:
        for choice in answer.get("choices") or []:
            yield from self._choice(choice)
        if counts := answer.get("usage"):
            yield usage(counts)

    def _choice(self, choice: JSON) -> Iterator[StreamPart]:
        index = choice.get("index") or 0
        said = choice.get("delta") or choice.get("message") or {}
        whole = "delta" not in choice
        finish = _finish(choice.get("finish_reason") or ("stop" if whole else None))
        calls = self._calls.get(index)
        fields = _fields(said)
        if told := said.get("tool_calls"):
            calls = self._calls.setdefault(index, calls or _Calls(self._names))
            fields["tool_calls"] = list(calls.read(told, whole=whole))
        if calls and finish:
            finish = "tool_calls" if finish == "stop" else finish
            if rest := list(calls.finish()):
                fields["tool_calls"] = [*fields.get("tool_calls", []), *rest]
        yield Delta(index, fields, finish, _logprobs(choice.get("logprobs")))


class _Calls:
    """The tool calls of one choice, counted in the order in which they begin."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._of_id: dict[str, int] = {}
        self._of_index: dict[int, int] = {}
        self._silent: dict[int, bool] = {}  # whether a call has had no arguments yet

    def read(self, told: Iterable[JSON], *, whole: bool) -> Iterator[JSON]:
        """The pieces that `told` brings; in a `whole` message each one is a call of its own."""
        for piece in told:
            function = piece.get("function") or {}
            known = None if whole else self._known(piece, function)
            if known is None:
                known = len(self._silent)
                yield self._begun(known, piece, function)
            if written := _written(function.get("arguments")):
                self._silent[known] = False
                yield {"index": known, "function": {"arguments": written}}

    def finish(self) -> Iterator[JSON]:
        """What makes the arguments of calls without any an object."""
        for number, silent in self._silent.items():
            if silent:
                yield {"index": number, "function": {"arguments": "{}"}}
        self._silent = dict.fromkeys(self._silent, False)

    def _known(self, piece: JSON, function: JSON) -> int | None:
        """The call that goes on. An id tells; without one the index does, unless there is a name again."""
        identity = piece.get("id")
        if identity not in _NO_IDS:
            return self._of_id.get(str(identity))
        if function.get("name"):
            return None
        last = len(self._silent) - 1 if self._silent else None
        return self._of_index.get(piece.get("index", -1), last)

    def _begun(self, number: int, piece: JSON, function: JSON) -> JSON:
        identity, name = str(piece.get("id") or ""), function.get("name") or ""
        if identity in _NO_IDS or identity in self._of_id:
            identity = f"call_{secrets.token_hex(12)}"
        self._of_id[identity] = number
        self._of_index[piece.get("index", number)] = number
        self._silent[number] = True
        extra = {key: held for key, held in piece.items() if key == "extra_content"}
        opening = {"name": self._names.get(name, name), "arguments": ""}
        return {"index": number, "id": identity, "type": "function", "function": opening, **extra}


def _written(arguments: Any) -> str:
    """Arguments as the string that OpenAI has; TGI gives an object."""
    if isinstance(arguments, str) or arguments is None:
        return arguments or ""
    return msgspec.json.encode(arguments).decode()


def _fields(said: JSON) -> JSON:
    """What is said besides calls; what is not known here is an open model's own, and goes on as it is."""
    fields = {
        name: value for name, value in said.items() if name not in _READ_HERE and value not in (None, "", [])
    }
    told: dict[str, str] = {"content": "", "reasoning_content": ""}
    for kind, text in _texts(said.get("content")):
        told[kind] += text
    told["reasoning_content"] += said.get("reasoning_content") or said.get("reasoning") or ""
    return fields | {name: text for name, text in told.items() if text}


def _texts(content: Any) -> Iterator[tuple[str, str]]:
    """The texts of a content that is a string, or, at Mistral, a list of chunks."""
    if isinstance(content, str):
        yield "content", content
        return
    for chunk in content or ():
        match chunk:
            case str():
                yield "content", chunk
            case {"type": "text", "text": str(text)}:
                yield "content", text
            case {"type": "thinking", "thinking": thoughts}:
                yield from (("reasoning_content", text) for _, text in _texts(thoughts))


def _finish(reason: str | None) -> str | None:
    if reason is None:
        return None
    if reason not in FINISH:
        _log.warning("unknown finish_reason: %.80s", reason)
    return FINISH.get(reason, "stop")


def _logprobs(logprobs: Any) -> JSON | None:
    if isinstance(logprobs, dict) and logprobs.get("content"):
        return {"content": logprobs["content"], "refusal": None}
    return None


def usage(counts: JSON) -> Usage:
    """The counts with reasoning inside the completion, where some count it beside: the total tells."""
    prompt, completion = counts.get("prompt_tokens") or 0, counts.get("completion_tokens") or 0
    reasoning = (counts.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    if reasoning and counts.get("total_tokens") == prompt + completion + reasoning:
        completion += reasoning
    cached = (counts.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Usage(
        prompt=prompt,
        completion=completion,
        prompt_details={"cached_tokens": cached},
        completion_details={"reasoning_tokens": reasoning},
    )
