"""`POST /chat/completions`: validate, route, translate, call, translate back.

Publishers translate bodies and events. This module does what is the same for all of them. It adds the id,
time and model of the response, the role, and `n` for publishers without it. It puts the finish reason and the
usage in their places. It reports an upstream that stops before its model has finished.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vertex_compat import errors, sse
from vertex_compat.operations import model_calls
from vertex_compat.operations.chat import chat_schema, custom_tools
from vertex_compat.operations.chat.policy import OpenAIResponsePolicy
from vertex_compat.operations.context import EventStream, RequestContext, Response
from vertex_compat.operations.request import body, client_shapes, inline_urls
from vertex_compat.operations.upstream_stream import UpstreamStream, chat_parser
from vertex_compat.types import (
    JSON,
    ChatAdapter,
    Delta,
    Model,
    StreamPart,
    ToolCallDelta,
    UpstreamCall,
    Usage,
    without_field,
)

if TYPE_CHECKING:
    from vertex_compat.operations.chat import answer_types as wire
    from vertex_compat.operations.chat.stored_completions import PendingCompletion

_encode = msgspec.json.Encoder().encode
_CALLS: Final = frozenset({"function_call", "tool_calls"})


def complete(context: RequestContext) -> Response:
    """Answer one chat request, streaming or whole."""
    try:
        return _complete(context)
    except errors.BadRequest as error:
        if error.param and error.param.startswith("messages"):
            _rename_param(error, error.param, body.decode_object(context.body))
        raise


def _rename_param(error: errors.BadRequest, param: str, client_body: JSON) -> None:
    """Replace the parameter in an error by the client's, which may be of another API."""
    if "messages" not in client_body and "input" in client_body:
        from vertex_compat.operations.responses import request  # noqa: PLC0415

        own = request.as_chat_names(client_body).of(param)
    else:
        own = client_shapes.client_param(param, client_body)
    error.param = own
    error.message = error.message.replace(f"'{param}'", f"'{own}'")


def _complete(context: RequestContext) -> Response:
    params, custom = custom_tools.as_functions(parse(context.body))
    policy = OpenAIResponsePolicy(params, custom)
    pending = _pending(params, context)
    if pending:
        params = {name: value for name, value in params.items() if name != "store"}

    def attempt(model: Model, adapter: ChatAdapter) -> Response:
        def prepare(model: Model) -> list[UpstreamCall]:
            request = inline_urls.inline(
                model_calls.chat_params(adapter, params, model, context), adapter, context
            )
            count = 1 if adapter.takes_n(model) else request.pop("n", 1)
            return [adapter.request(request, model)] * count

        if context.dry_run:
            return model_calls.describe(prepare(model)[0], model, context)
        stream = UpstreamStream(prepare, chat_parser(adapter, context), model, context)
        return _respond(stream, params, policy, context.log.cost_usd, pending)

    return model_calls.with_fallback(context, params["model"], model_calls.CHAT, attempt)


def _respond(
    stream: UpstreamStream[StreamPart],
    params: JSON,
    policy: OpenAIResponsePolicy,
    cost: Callable[[], float | None],
    pending: PendingCompletion | None,
) -> Response:
    id_ = pending.id if pending else _new_id()
    if params.get("stream"):
        include_usage = bool((params.get("stream_options") or {}).get("include_usage"))
        encoder = ChatChunkEncoder(params["model"], id_, include_usage=include_usage, cost=cost)
        if pending:
            chunks = pending.save_after(stream.stream(policy.wrap(pending.record_parts(encoder))))
            return Response(EventStream(chunks), stream.headers)
        return Response(EventStream(stream.stream(policy.wrap(encoder))), stream.headers)
    parts = [(number, policy.apply(number, part)) for number, part in stream.collect()]
    policy.check()
    answer = completion(parts, params["model"], id_, int(time.time()))
    save = partial(pending.save, answer) if pending else None
    return Response(answer, stream.headers, after=save)


def _pending(params: JSON, context: RequestContext) -> PendingCompletion | None:
    """Return the completion that will be stored, None if it will not."""
    if params.get("store") is not True:
        return None
    from vertex_compat.operations.chat import stored_completions  # noqa: PLC0415  (rarely asked for)

    return stored_completions.begin(params, context)


def parse(content: bytes) -> JSON:
    """Return the validated request, without null keys in the body, its messages and their parts."""
    params = body.decode_object(content)
    if "messages" not in params and "input" in params:
        from vertex_compat.operations.responses import request  # noqa: PLC0415  (rarely needed: cold start)

        params = request.as_chat(params)
    params = client_shapes.normalize(params)
    body.validate(params, chat_schema.Chat)
    params = body.drop_nulls(params)
    if params.get("reasoning_effort") == "":  # some clients send an unset choice
        del params["reasoning_effort"]
    body.check_stream_options(params)
    params["messages"] = [_message(message) for message in params["messages"]]
    return params


def _message(message: JSON) -> JSON:
    message = body.drop_nulls(message)
    if isinstance(content := message.get("content"), list):
        message["content"] = [body.drop_nulls(part) for part in content]
    return message


def completion(
    parts: Iterable[tuple[int, StreamPart]], model: str, id_: str, created: int
) -> wire.ChatCompletion:
    """Return OpenAI's whole response. Each part comes with the number of its upstream response."""
    choices: dict[int, wire.Choice] = {}
    usages: dict[int, Usage] = {}
    for number, part in parts:
        if isinstance(part, Usage):
            usages[number] = part
        else:
            index = part.choice + number
            fold(choices.setdefault(index, _choice(index)), part)
    if not choices:
        raise errors.UpstreamFault("Vertex AI's response has no choices. Send the request again.")
    return {
        "id": id_,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choices[index] for index in sorted(choices)],
        "usage": usage(usages.values()),
        **tier_field(usages.values()),
    }


class ChatChunkEncoder:
    """Encodes OpenAI's chunks. What is the same in all chunks of a stream is encoded once.

    The role comes first, once a choice. Finish reasons wait for the end of the upstream. No delta of a choice
    may follow its finish reason, and some publishers send deltas after theirs.
    """

    keepalive = sse.KEEPALIVE

    def __init__(
        self,
        model: str,
        id_: str | None = None,
        *,
        include_usage: bool,
        cost: Callable[[], float | None] = lambda: None,
    ) -> None:
        stamp: wire.ChunkStamp = {
            "id": id_ or _new_id(),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._stamp = msgspec.json.encode(stamp)[:-1]
        self._usage_key = b',"usage":null' if include_usage else b""
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._usage_key + b"}\n\n"
        self._text_tail = b"}" + self._tail
        self._heads: dict[int, bytes] = {}
        self._text_heads: dict[int, bytes] = {}
        self._finish: dict[int, str] = {}
        self._usages: dict[int, Usage] = {}
        self._include_usage = include_usage
        self._cost = cost

    def encode(self, number: int, part: StreamPart) -> bytes:
        """Return the chunks for one part of upstream response `number`; may be none."""
        if isinstance(part, Usage):
            self._usages[number] = part
            return b""
        choice = part.choice + number
        fields = part.fields
        role = b""
        try:
            head = self._heads[choice]
        except KeyError:
            head = self._heads[choice] = self._head(choice)
            self._text_heads[choice] = head + b'{"content":'
            first: wire.ChoiceDelta = {
                "role": "assistant",
                "content": None if _CALLS & fields.keys() else "",
            }
            role = head + _encode(first) + self._tail
        if part.finish_reason:
            self._finish[choice] = part.finish_reason
        if part.logprobs:
            tail = b',"logprobs":' + _encode(part.logprobs) + b',"finish_reason":null}]'
            return role + head + _encode(fields) + tail + self._usage_key + b"}\n\n"
        if fields:
            return role + head + _encode(fields) + self._tail
        return role

    def encode_text(self, choice: int, text: str) -> bytes:
        """Return the chunk for more text of a choice that has begun."""
        return b"".join((self._text_heads[choice], _encode(text), self._text_tail))

    def finish(self) -> bytes:
        """Return the last chunks; raises `UpstreamFault` if the model had not finished."""
        unfinished = self._heads.keys() - self._finish.keys()
        if unfinished or not self._heads:
            raise errors.unfinished_response()
        last = []
        for choice, head in sorted(self._heads.items()):
            finish = msgspec.json.encode(self._finish[choice])
            last.append(head + b'{},"logprobs":null,"finish_reason":' + finish + b"}]")
            last.append(self._usage_key + b"}\n\n")
        if self._include_usage:
            chunk: wire.UsageChunk = {
                "usage": with_cost(usage(self._usages.values()), self._cost()),
                **tier_field(self._usages.values()),
            }
            encoded = msgspec.json.encode(chunk)
            last.append(b"data: " + self._stamp + b',"choices":[],' + encoded[1:] + b"\n\n")
        return b"".join([*last, sse.DONE])

    def _head(self, choice: int) -> bytes:
        return b"data: %b" % self._stamp + b',"choices":[{"index":%d,"delta":' % choice


def _choice(index: int) -> wire.Choice:
    message: wire.ChatCompletionMessage = {"role": "assistant", "content": "", "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}


def fold(choice: wire.Choice, delta: Delta) -> None:
    """Add a delta to a whole choice, as a client does with the chunks of a stream."""
    if delta.finish_reason:
        choice["finish_reason"] = delta.finish_reason
    if delta.logprobs:
        logprobs = choice["logprobs"] or {"content": [], "refusal": None}
        choice["logprobs"] = {**logprobs, "content": logprobs["content"] + delta.logprobs["content"]}
    message = choice["message"]
    if "tool_calls" in delta.fields:
        _fold_fields(message, without_field(delta.fields, "tool_calls"))
        _fold_calls(message, delta.fields["tool_calls"])
    else:
        _fold_fields(message, delta.fields)
    if _CALLS & message.keys():  # OpenAI's content is null where there are only calls
        message["content"] = message["content"] or None


def _fold_fields(folded: Any, fields: Mapping[str, object]) -> None:
    """Append strings and lists, merge objects by their keys, replace any other value.

    `folded` is a message, or an object in one.
    """
    for key, value in fields.items():
        before = folded.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            folded[key] = dict(before)
            _fold_fields(folded[key], value)
        elif (isinstance(value, str) and isinstance(before, str)) or (
            isinstance(value, list) and isinstance(before, list)
        ):
            folded[key] = before + value  # type: ignore[operator]
        else:
            folded[key] = value


def _fold_calls(message: wire.ChatCompletionMessage, deltas: Iterable[ToolCallDelta]) -> None:
    """Add parts of tool calls, which have no `index` in OpenAI's message."""
    calls: list[Any] = message.setdefault("tool_calls", [])
    for delta in deltas:
        if delta["index"] == len(calls):
            calls.append({key: value for key, value in delta.items() if key != "index"})
            if "custom" in delta:
                calls[-1]["custom"] = {**delta["custom"]}
            else:
                calls[-1]["function"] = {**delta["function"]}
        elif "custom" in delta:
            calls[delta["index"]]["custom"]["input"] += delta["custom"]["input"]
        else:
            calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]


def tier_field(usages: Iterable[Usage]) -> wire.ServiceTier:
    """Return `service_tier` if a publisher served the request as another than the default."""
    tier = next((counts.service_tier for counts in usages if counts.service_tier), None)
    return {"service_tier": tier} if tier else {}


def usage(usages: Iterable[Usage]) -> wire.CompletionUsage:
    """Return OpenAI's usage object: the sum over the upstream responses."""
    prompt = completion = 0
    extra: wire.ExtraCounts = {}
    prompt_details: dict[str, int] = {}
    completion_details: dict[str, int] = {}
    for counts in usages:
        prompt += counts.prompt
        completion += counts.completion
        _add_counts(extra, counts.extra)
        _add_counts(prompt_details, counts.prompt_details)
        _add_counts(completion_details, counts.completion_details)
    totals: wire.CompletionUsage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if prompt_details:
        totals["prompt_tokens_details"] = prompt_details
    if completion_details:
        totals["completion_tokens_details"] = completion_details
    return {**totals, **extra}


def with_cost(usage: wire.CompletionUsage, cost: float | None) -> wire.CompletionUsage:
    """Return a usage object with `cost_usd`, if the cost is known."""
    return usage if cost is None else {**usage, "cost_usd": cost}


def _add_counts(sums: Any, counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        sums[name] = sums.get(name, 0) + count


def _new_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"
