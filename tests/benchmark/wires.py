"""The bytes between a function and each of Vertex's publishers, built beforehand.

The mock upstream sends these bytes, and the load client expects them. Every piece of a stream has a known
length, and contains its number and the time when it was sent. So a client can check every character, and
measure how long each piece was on its way.

The prompt tells the mock how many pieces to send, and the time between them.
"""

import json
import re
from dataclasses import dataclass

PROJECT = "benchmark-project"
LOCATION = "us-central1"

TEXT = b" token %06d %016d"
"""A piece of a streamed answer: its number, and the nanoseconds of the monotonic clock when it was sent."""

PIECE = re.compile(rb" token (\d{6}) (\d{16})")

ANSWER = " ".join(["A whole answer is one string of a few hundred characters, as most answers are."] * 8)
"""The text of every answer that is not streamed."""

SYSTEM = (
    "You are a helpful assistant. Answer briefly, in the language of the question, and name your sources."
)
PROMPT = "Write %d pieces, one each %d ms. " + " ".join(["The rest of this prompt is there to be long."] * 8)

_REQUESTED = re.compile(rb"Write (\d+) pieces, one each (\d+) ms")


def requested_pieces(body):
    """The number of pieces that the prompt in `body` asks for, and the ms between them."""
    match = _REQUESTED.search(body)
    return (int(match[1]), int(match[2])) if match else (0, 0)


@dataclass(frozen=True)
class Wire:
    """One publisher's: where it is asked, in which words, and what it answers.

    A stream is `head`, the pieces, `tail`; `before` and `after` stand around the text of a piece.
    """

    publisher: str
    model: str
    whole_path: str
    stream_path: str
    native: dict
    head: bytes
    before: bytes
    after: bytes
    tail: bytes
    reply: bytes
    says_stream: bool = True
    is_padded: bool = False
    """True if spaces of a varying number stand before the last bracket of a piece."""

    def piece(self, number, sent_at):
        """One event of a stream: piece `number`, sent at `sent_at`."""
        after = self.after
        if self.is_padded:
            after = after.replace(b"}}", b"}%b}" % (b" " * (number * 7 % 13)))
        return b"%b%b%b" % (self.before, TEXT % (number, sent_at), after)

    def path(self, *, stream):
        return self.stream_path if stream else self.whole_path

    def native_body(self, pieces=0, pace=0):
        """The publisher's own request; a stream if it asks for pieces."""
        text = json.dumps(self.native).replace("PROMPT", PROMPT % (pieces, pace))
        body = json.loads(text)
        return _dump(body | {"stream": True} if pieces and self.says_stream else body)

    def openai_body(self, pieces=0, pace=0):
        """OpenAI's request for the same; a stream if it asks for pieces."""
        body = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": PROMPT % (pieces, pace)},
            ],
            "temperature": 0.5,
            "max_tokens": 1024,
        }
        return _dump(body | {"stream": True} if pieces else body)


def _dump(value):
    return json.dumps(value, separators=(",", ":")).encode()


def _path(version, resource):
    return f"/{version}/projects/{PROJECT}/locations/{LOCATION}/{resource}"


def _around(event, frame):
    """The bytes before and after the text in an event that `frame` frames."""
    return frame.replace("JSON", event).encode().split(b"TEXT")


def _google():
    model = "gemini-3.8-flash"
    about = (
        f'"modelVersion": "{model}","createTime": "2026-11-21T05:00:00.123456Z","responseId": "hbMfaZ6HLqqe"'
    )
    text = '{"candidates": [{"content": {"role": "model","parts": [{"text": "TEXT"}]}%s}],%s,' + about + "}"
    counts = '"usageMetadata": {"promptTokenCount": 90,"candidatesTokenCount": 200,"totalTokenCount": 290}'
    before, after = _around(
        text % ("", '"usageMetadata": {"trafficType": "ON_DEMAND"}'), "data: JSON\r\n\r\n"
    )
    last = text.replace("TEXT", "") % (',"finishReason": "STOP"', counts)
    whole = text.replace("TEXT", ANSWER) % (',"finishReason": "STOP"', counts)
    resource = f"publishers/google/models/{model}"
    return Wire(
        publisher="google",
        model=model,
        whole_path=_path("v1beta1", f"{resource}:generateContent"),
        stream_path=_path("v1beta1", f"{resource}:streamGenerateContent?alt=sse"),
        native={
            "contents": [{"role": "user", "parts": [{"text": "PROMPT"}]}],
            "systemInstruction": {"parts": [{"text": SYSTEM}]},
            "generationConfig": {"temperature": 0.5, "maxOutputTokens": 1024},
        },
        head=b"",
        before=before,
        after=after,
        tail=f"data: {last}\r\n\r\n".encode(),
        reply=json.dumps(json.loads(whole), indent=2).encode(),
        says_stream=False,
    )


def _anthropic():
    model = "claude-sonnet-5-5"
    message = {"id": "msg_vrtx_017o4feJdWfVviVPbMusHB1q", "type": "message", "role": "assistant"}
    message |= {"model": model, "content": [], "stop_reason": None, "stop_sequence": None}
    started = {
        "type": "message_start",
        "message": message | {"usage": {"input_tokens": 90, "output_tokens": 1}},
    }
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    piece = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"TEXT"}}'
    before, after = _around(piece, "event: content_block_delta\ndata: JSON\n\n")
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    resource = f"publishers/anthropic/models/{model}"
    reply = message | ended | {"content": [{"type": "text", "text": ANSWER}]}
    return Wire(
        publisher="anthropic",
        model=model,
        whole_path=_path("v1", f"{resource}:rawPredict"),
        stream_path=_path("v1", f"{resource}:streamRawPredict"),
        native={
            "anthropic_version": "vertex-2023-10-16",
            "max_tokens": 1024,
            "system": [{"type": "text", "text": SYSTEM}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "PROMPT"}]}],
            "temperature": 0.5,
        },
        head=b"".join(_named(event) for event in (started, {"type": "ping"}, block)),
        before=before,
        after=after,
        tail=b"".join(
            _named(event)
            for event in (
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 200}},
                {"type": "message_stop"},
            )
        ),
        reply=_dump(reply | {"usage": {"input_tokens": 90, "output_tokens": 200}}),
        is_padded=True,
    )


def _named(event):
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _dump(event))


def _speaking_openai(publisher, model, *, whole_path, stream_path, role):
    """Mistral and the models behind `endpoints/openapi`; `role`: every delta repeats the role."""
    chunk = {"id": "033a46377c66422d9d625191286d2025", "object": "chat.completion.chunk"}
    chunk |= {"created": 1_763_700_000, "model": model}
    delta = {"role": "assistant", "content": "TEXT"} if role else {"content": "TEXT"}
    piece = {"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}
    last = piece | {"delta": delta | {"content": ""}, "finish_reason": "stop"}
    counts = {"usage": {"prompt_tokens": 90, "total_tokens": 290, "completion_tokens": 200}}
    before, after = _around(_dump(chunk | {"choices": [piece]}).decode(), "data: JSON\n\n")
    message = {"role": "assistant", "content": ANSWER}
    answer = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    native = {
        "model": model,
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "PROMPT"}],
        "temperature": 0.5,
        "max_tokens": 1024,
    }
    return Wire(
        publisher=publisher,
        model=model,
        whole_path=whole_path,
        stream_path=stream_path,
        native=native,
        head=b"",
        before=before,
        after=after,
        tail=b"data: %b\n\ndata: [DONE]\n\n" % _dump(chunk | {"choices": [last]} | counts),
        reply=_dump(chunk | {"object": "chat.completion", "choices": [answer]} | counts),
    )


def _mistralai():
    resource = "publishers/mistralai/models/mistral-small-2503"
    return _speaking_openai(
        "mistralai",
        "mistral-small-2503",
        whole_path=_path("v1", f"{resource}:rawPredict"),
        stream_path=_path("v1", f"{resource}:streamRawPredict"),
        role=False,
    )


def _openapi():
    path = _path("v1beta1", "endpoints/openapi/chat/completions")
    model = "meta/llama-3.3-70b-instruct-maas"
    return _speaking_openai("openapi", model, whole_path=path, stream_path=path, role=True)


WIRES = {wire.publisher: wire for wire in (_google(), _anthropic(), _mistralai(), _openapi())}
