"""The APIs of clients besides chat: a question in each, and the text in its answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wires import PROMPT, SYSTEM


@dataclass(frozen=True)
class Api:
    """One API. `text` returns the text in an answer, `delta` the text in an event of a stream.

    `path` has a place for the model, `stream_path` too. `last` is in the last event of a whole stream.
    """

    key: str
    path: str
    stream_path: str
    body: Callable[[str, str], dict[str, Any]]
    text: Callable[[Any], str]
    delta: Callable[[Any], str]
    last: bytes
    says_stream: bool = True

    def request(self, wire, pieces=0, pace=0):
        """Return path and body of the question; a stream if it asks for pieces."""
        body = self.body(wire.model, PROMPT % (pieces, pace))
        if pieces and self.says_stream:
            body["stream"] = True
        path = self.stream_path if pieces else self.path
        return path.replace("MODEL", wire.model), json.dumps(body, separators=(",", ":")).encode()


def _responses_body(model, prompt):
    body = {"model": model, "instructions": SYSTEM, "input": prompt, "store": False}
    return body | {"temperature": 0.5, "max_output_tokens": 1024}


def _messages_body(model, prompt):
    body = {"model": model, "system": SYSTEM, "messages": [{"role": "user", "content": prompt}]}
    return body | {"temperature": 0.5, "max_tokens": 1024}


def _generate_content_body(_, prompt):
    return {
        "contents": [{"role": "user", "parts": [{"text": prompt}]}],
        "systemInstruction": {"parts": [{"text": SYSTEM}]},
        "generationConfig": {"temperature": 0.5, "maxOutputTokens": 1024},
    }


def _parts_text(response):
    parts = response["candidates"][0].get("content", {}).get("parts", [])
    return "".join(part.get("text", "") for part in parts)


APIS = (
    Api(
        "responses",
        "/v1/responses",
        "/v1/responses",
        _responses_body,
        text=lambda answer: answer["output"][0]["content"][0]["text"],
        delta=lambda event: event["delta"] if event["type"] == "response.output_text.delta" else "",
        last=b'"type":"response.completed"',
    ),
    Api(
        "messages",
        "/v1/messages",
        "/v1/messages",
        _messages_body,
        text=lambda answer: answer["content"][0]["text"],
        delta=lambda event: event["delta"].get("text", "") if "delta" in event else "",
        last=b'"type":"message_stop"',
    ),
    Api(
        "generate_content",
        "/v1beta/models/MODEL:generateContent",
        "/v1beta/models/MODEL:streamGenerateContent?alt=sse",
        _generate_content_body,
        text=_parts_text,
        delta=_parts_text,
        last=b'"finishReason"',
        says_stream=False,
    ),
)
