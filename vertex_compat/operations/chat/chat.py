"""`POST /chat/completions`: parse, route, translate, call, translate back.

Publishers translate bodies and events; what is the same for all of them happens here, once, so that no
publisher can get it wrong: the id, the time and the name of the answer, the role, where the finish reason and
the usage stand, `n` on publishers without it, and an upstream that stops before its model has finished.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.chat import chat_schema
from vertex_compat.operations.chat.policy import OpenAIResponsePolicy
from vertex_compat.operations.context import RequestContext, Response
from vertex_compat.operations.request import body, inline_urls
from vertex_compat.types import JSON, ChatAdapter, Delta, Model, StreamPart, Usage

_encode = msgspec.json.Encoder().encode
_CALLS: Final = frozenset({"function_call", "tool_calls"})


def complete(context: RequestContext) -> Response:
    """Answer one chat request, streaming or not."""
    given = parse(context.body)
    contract = OpenAIResponsePolicy(given)

    def converse(model: Model, chat: ChatAdapter) -> model_calls.UpstreamChat:
        wanted = inline_urls.readable({**model.defaults, **given}, chat, context)
        times = 1 if chat.supports_n else wanted.pop("n", 1)
        return model_calls.UpstreamChat(chat, [chat.request(wanted, model)] * times, model, context)

    answers = model_calls.with_fallback(
        context, given["model"], lambda publisher: publisher.chat, "chat", converse
    )
    if given.get("stream"):
        asked_usage = bool((given.get("stream_options") or {}).get("include_usage"))
        chunks = contract.wrap(ChatChunkEncoder(given["model"], include_usage=asked_usage))
        return Response(answers.stream(chunks), answers.headers)
    pieces = [(number, contract.apply(number, piece)) for number, piece in answers.collect()]
    contract.check()
    return Response(completion(pieces, given["model"], _new_id(), int(time.time())), answers.headers)


def parse(content: bytes) -> JSON:
    """The request, checked; null keys of the body, its messages and their parts are gone."""
    given = body.without_nulls(body.decode(content, chat_schema.Chat))
    body.check_stream_options(given)
    given["messages"] = [_message(message) for message in given["messages"]]
    return given


def _message(message: JSON) -> JSON:
    message = body.without_nulls(message)
    if isinstance(content := message.get("content"), list):
        message["content"] = [body.without_nulls(part) for part in content]
    return message


def completion(pieces: Iterable[tuple[int, StreamPart]], model: str, identity: str, created: int) -> JSON:
    """OpenAI's whole answer. Each piece comes with the number of the upstream answer that it is of."""
    choices: dict[int, JSON] = {}
    usages: dict[int, Usage] = {}
    for number, piece in pieces:
        if isinstance(piece, Usage):
            usages[number] = piece
        else:
            index = piece.choice + number
            fold(choices.setdefault(index, _choice(index)), piece)
    if not choices:
        raise errors.UpstreamFault("Vertex AI answered without an answer of the model.")
    return {
        "id": identity,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choices[index] for index in sorted(choices)],
        "usage": usage(usages.values()),
    }


class ChatChunkEncoder:
    """Writes OpenAI's chunks. What is the same in all chunks of a stream is encoded once.

    The role comes first, once a choice. Finish reasons wait until the upstream has ended: nothing of a choice
    may follow its own, and some publishers have more to say after it.
    """

    def __init__(self, model: str, *, include_usage: bool) -> None:
        self._stamp = msgspec.json.encode(
            {
                "id": _new_id(),
                "object": "chat.completion.chunk",
                "created": int(time.time()),
                "model": model,
            }
        )[:-1]
        self._usage_key = b',"usage":null' if include_usage else b""
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._usage_key + b"}\n\n"
        self._heads: dict[int, bytes] = {}
        self._finish: dict[int, str] = {}
        self._usages: dict[int, Usage] = {}
        self._include_usage = include_usage

    def encode(self, answer: int, piece: StreamPart) -> bytes:
        """The chunks for one piece of upstream answer number `answer`; may be none."""
        if isinstance(piece, Usage):
            self._usages[answer] = piece
            return b""
        choice = piece.choice + answer
        fields = piece.fields
        written = b""
        try:
            head = self._heads[choice]
        except KeyError:
            head = self._heads[choice] = self._head(choice)
            content = None if _CALLS & fields.keys() else ""
            written = head + _encode({"role": "assistant", "content": content}) + self._tail
        if piece.finish_reason:
            self._finish[choice] = piece.finish_reason
        if piece.logprobs:
            tail = b',"logprobs":' + _encode(piece.logprobs) + b',"finish_reason":null}]'
            return written + head + _encode(fields) + tail + self._usage_key + b"}\n\n"
        if fields:
            return written + head + _encode(fields) + self._tail
        return written

    def finish(self) -> bytes:
        """The last chunks; raises `UpstreamFault` if the model had not finished."""
        unfinished = self._heads.keys() - self._finish.keys()
        if unfinished or not self._heads:
            raise errors.UpstreamFault("Vertex AI ended the stream before the model had finished.")
        last = []
        for choice, head in sorted(self._heads.items()):
            finish = msgspec.json.encode(self._finish[choice])
            last.append(head + b'{},"logprobs":null,"finish_reason":' + finish + b"}]")
            last.append(self._usage_key + b"}\n\n")
        if self._include_usage:
            counted = msgspec.json.encode(usage(self._usages.values()))
            last.append(b"data: " + self._stamp + b',"choices":[],"usage":' + counted + b"}\n\n")
        return b"".join([*last, sse.DONE])

    def _head(self, choice: int) -> bytes:
        return b"data: %b" % self._stamp + b',"choices":[{"index":%d,"delta":' % choice


def _choice(index: int) -> JSON:
    message = {"role": "assistant", "content": "", "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}


def fold(choice: JSON, piece: Delta) -> None:
    """Add a piece to a whole choice, as a client does with the chunks of a stream."""
    if piece.finish_reason:
        choice["finish_reason"] = piece.finish_reason
    if piece.logprobs:
        known = choice["logprobs"] or {"content": [], "refusal": None}
        choice["logprobs"] = known | {"content": known["content"] + piece.logprobs["content"]}
    message = choice["message"]
    _fold_fields(message, {key: value for key, value in piece.fields.items() if key != "tool_calls"})
    if "tool_calls" in piece.fields:
        _fold_calls(message, piece.fields["tool_calls"])
    if _CALLS & message.keys():  # OpenAI has no text where there are only calls
        message["content"] = message["content"] or None


def _fold_fields(known: JSON, fields: JSON) -> None:
    """Strings and lists go on where they ended, objects by their fields; what else comes last counts."""
    for key, value in fields.items():
        before = known.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            known[key] = dict(before)
            _fold_fields(known[key], value)
        elif before is not None and isinstance(value, str | list):
            known[key] = before + value
        else:
            known[key] = value


def _fold_calls(message: JSON, pieces: Iterable[JSON]) -> None:
    """OpenAI's message has the calls without `index`."""
    calls = message.setdefault("tool_calls", [])
    for piece in pieces:
        if piece["index"] == len(calls):
            calls.append({key: value for key, value in piece.items() if key != "index"})
            calls[-1]["function"] = dict(piece["function"])
        else:
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]


def usage(usages: Iterable[Usage]) -> JSON:
    """OpenAI's usage object: the sum over the upstream answers."""
    prompt = completion = 0
    beside: dict[str, int] = {}
    details: dict[str, dict[str, int]] = {"prompt_tokens_details": {}, "completion_tokens_details": {}}
    for one in usages:
        prompt += one.prompt
        completion += one.completion
        for name, count in one.extra.items():
            beside[name] = beside.get(name, 0) + count
        for kind, counts in zip(details, (one.prompt_details, one.completion_details), strict=True):
            for name, count in counts.items():
                details[kind][name] = details[kind].get(name, 0) + count
    counted: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return counted | {kind: counts for kind, counts in details.items() if counts} | beside


def _new_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"
