"""`POST /chat/completions`: parse, route, translate, call, translate back.

Publishers translate bodies and events; what is the same for all of them happens here, once, so that no
publisher can get it wrong: the id, the time and the name of the answer, the role, where the finish reason and
the usage stand, `n` on publishers without it, and an upstream that stops before its model has finished.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import msgspec

from vertex_compat import errors, names, sse
from vertex_compat.operations import Ask, Reply, body, chat_schema
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.transport import Answer, Block, listen
from vertex_compat.wire import JSON, Chat, Delta, Model, Piece, UpstreamCall, Usage

_log = logging.getLogger(__name__)

SIDE_BY_SIDE: Final = 8
"""How many upstream calls one request opens at once."""

EVENT_STREAM: Final = "text/event-stream"


def complete(ask: Ask) -> Reply:
    """Answer one chat request, streaming or not."""
    given = parse(ask.body)
    model = ask.router.plan(given["model"])[0]
    chat = PUBLISHERS[model.publisher].chat
    if chat is None:
        raise errors.NotFound(f"{model.asked!r} does not chat.", param="model", code="model_not_found")
    wanted = 1 if chat.many else given.get("n", 1)
    call = chat.request(given if chat.many else {k: v for k, v in given.items() if k != "n"}, model)
    headers = {"x-vertex-compat-ignored": _listed(call.ignored)} if call.ignored else {}
    answers = _open(call, model, wanted, ask)
    legs = [_Leg(chat, call) for _ in answers]
    if given.get("stream"):
        asked_usage = bool((given.get("stream_options") or {}).get("include_usage"))
        return Reply(_stream(answers, legs, Chunks(model.asked, include_usage=asked_usage), ask), headers)
    return Reply(_whole(answers, legs, model, ask), headers)


def parse(content: bytes) -> JSON:
    """The request, checked; null keys of the body, its messages and their parts are gone."""
    given = body.without_nulls(body.decode(content, chat_schema.Chat))
    if "stream_options" in given and not given.get("stream"):
        raise errors.BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    given["messages"] = [_message(message) for message in given["messages"]]
    return given


def _message(message: JSON) -> JSON:
    message = body.without_nulls(message)
    if isinstance(content := message.get("content"), list):
        message["content"] = [body.without_nulls(part) for part in content]
    return message


def _open(call: UpstreamCall, model: Model, wanted: int, ask: Ask) -> list[Answer]:
    """`wanted` answers to the same call. If one cannot be had, the others are closed."""
    try:
        if wanted == 1:
            return [ask.transport.open(call, model, ask.client)]
        with ThreadPoolExecutor(min(wanted, SIDE_BY_SIDE)) as pool, ExitStack() as opened:
            calls = [pool.submit(ask.transport.open, call, model, ask.client) for _ in range(wanted)]
            for future in calls:
                if not future.exception():
                    opened.callback(future.result().close)
            answers = [future.result() for future in calls]
            opened.pop_all()
            return answers
    except errors.NotFound as error:
        if error.code == "model_not_found" and (successor := names.replacement(model.asked)):
            error.message += f" This model has been retired; use {successor!r} instead."
        raise


class _Leg:
    """One upstream answer on its way: bytes in, pieces out."""

    def __init__(self, chat: Chat, call: UpstreamCall) -> None:
        self._chat = chat
        self._call = call
        self._decoder = sse.Decoder()
        self._feed = chat.stream(call)
        self._body: list[bytes] = []
        self.done = False

    def stream(self, data: bytes, content_type: str) -> Iterator[Piece]:
        """The pieces that `data` completes; `b""` is the end of the answer."""
        if content_type in {"application/json", "text/html"}:  # a container that cannot stream, or an error
            yield from self.whole(data)
            return
        for event in self._decoder.feed(data) if data else self._decoder.close():
            if event.startswith(b"[DONE]"):
                self.done = True
            elif not self.done:
                yield from self._feed(_object(event))

    def whole(self, data: bytes) -> Iterator[Piece]:
        """The pieces of an answer that is one JSON object, when its end has come."""
        if data:
            self._body.append(data)
        else:
            yield from self._chat.response(_object(b"".join(self._body)), self._call)


def _object(content: bytes) -> JSON:
    """An event or a body of the upstream; raises what it says where it is an error."""
    if not content.strip():
        raise errors.UpstreamFault("Vertex AI answered with nothing.")
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        raise errors.UpstreamFault("Vertex AI answered something that is not JSON.") from None
    if errors.is_error(value):
        raise errors.from_body(200, value)
    if not isinstance(value, dict):
        raise errors.UpstreamFault("Vertex AI answered something that is not a JSON object.")
    return value


def _whole(answers: Sequence[Answer], legs: Sequence[_Leg], model: Model, ask: Ask) -> JSON:
    choices: dict[int, JSON] = {}
    usages: dict[int, Usage] = {}
    with _closing(answers):
        for block in filter(None, _listen(answers, ask)):
            for piece in legs[block.answer].whole(block.data):
                if isinstance(piece, Usage):
                    usages[block.answer] = piece
                else:
                    index = piece.choice + block.answer
                    fold(choices.setdefault(index, _choice(index)), piece)
    if not choices:
        raise errors.UpstreamFault("Vertex AI answered without an answer of the model.")
    return {
        "id": _new_id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model.asked,
        "choices": [choices[index] for index in sorted(choices)],
        "usage": usage(usages.values()),
    }


def _stream(answers: Sequence[Answer], legs: Sequence[_Leg], chunks: Chunks, ask: Ask) -> Iterator[bytes]:
    with _closing(answers):
        for block in _listen(answers, ask):
            if block is None:
                yield sse.KEEPALIVE
                continue
            number, data = block
            pieces = legs[number].stream(data, answers[number].content_type)
            # One write for all that came together, and nothing held back until more comes.
            if written := b"".join([chunks.write(number, piece) for piece in pieces]):
                yield written
            if all(leg.done for leg in legs):
                break
    yield chunks.end()


def _listen(answers: Sequence[Answer], ask: Ask) -> Iterator[Block | None]:
    patience = ask.settings.patience
    return listen(answers, ask.client, keepalive=ask.settings.keepalive, patience=patience)


@contextmanager
def _closing(answers: Iterable[Answer]) -> Iterator[None]:
    try:
        yield
    finally:
        for answer in answers:
            answer.close()


class Chunks:
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

    def write(self, answer: int, piece: Piece) -> bytes:
        """The chunks for one piece of upstream answer number `answer`; may be none."""
        if isinstance(piece, Usage):
            self._usages[answer] = piece
            return b""
        choice = piece.choice + answer
        head = self._heads.get(choice)
        written = b""
        if head is None:
            head = self._heads[choice] = self._head(choice)
            content = None if "tool_calls" in piece.fields else ""
            written = head + msgspec.json.encode({"role": "assistant", "content": content}) + self._tail
        if piece.finish_reason:
            self._finish[choice] = piece.finish_reason
        if piece.logprobs:
            logprobs = b',"logprobs":' + msgspec.json.encode(piece.logprobs)
            tail = logprobs + b',"finish_reason":null}]' + self._usage_key + b"}\n\n"
            return written + head + msgspec.json.encode(piece.fields) + tail
        if piece.fields:
            return written + head + msgspec.json.encode(piece.fields) + self._tail
        return written

    def end(self) -> bytes:
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
    for key, value in piece.fields.items():
        if key == "tool_calls":
            _fold_calls(message, value)
        elif isinstance(value, str):
            message[key] = (message.get(key) or "") + value
        elif isinstance(value, list):
            message[key] = message.get(key, []) + value
        else:
            message[key] = value


def _fold_calls(message: JSON, pieces: Iterable[JSON]) -> None:
    """OpenAI's message has the calls without `index`, and no text where there are only calls."""
    calls = message.setdefault("tool_calls", [])
    message["content"] = message["content"] or None
    for piece in pieces:
        if piece["index"] == len(calls):
            calls.append({key: value for key, value in piece.items() if key != "index"})
            calls[-1]["function"] = dict(piece["function"])
        else:
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]


def usage(usages: Iterable[Usage]) -> JSON:
    """OpenAI's usage object: the sum over the upstream answers."""
    prompt = completion = 0
    details: dict[str, dict[str, int]] = {"prompt_tokens_details": {}, "completion_tokens_details": {}}
    for one in usages:
        prompt += one.prompt
        completion += one.completion
        for kind, counts in zip(details, (one.prompt_details, one.completion_details), strict=True):
            for name, count in counts.items():
                details[kind][name] = details[kind].get(name, 0) + count
    counted: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return counted | {kind: counts for kind, counts in details.items() if counts}


def _listed(ignored: Iterable[str]) -> str:
    """Names for a header. They come from the client: only plain ones are repeated."""
    plain = [name for name in ignored if name.isascii() and name.replace("_", "").replace(".", "").isalnum()]
    return ", ".join(dict.fromkeys(name[:64] for name in plain[:64]))


def _new_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"
