"""The client APIs: a plain request to each, and the text that its official SDK reads.

`text` reads a whole answer, `streamed` a stream; both raise where the types of the SDK do not fit. A stream
that ends in an error has to say so in the form of its API.
"""

import json
from typing import NamedTuple, get_args

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from google.genai import types as genai
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from helpers.fixtures import events_of

MESSAGE_EVENT = TypeAdapter(RawMessageStreamEvent)
RESPONSE_EVENTS = {
    get_args(event.model_fields["type"].annotation)[0]: event
    for event in get_args(get_args(ResponseStreamEvent)[0])
}
"""Type of each event → its class; a union of all is slow to judge."""

MESSAGE_EXTENSIONS = frozenset(
    {
        "citations",
        "extra_content",
        "images",
        "reasoning_content",
        "references",
        "safety_ratings",
        "thinking_blocks",
        "url_context_metadata",
        "vertex_ai_grounding_metadata",
    }
)
"""Fields of chat's messages beyond OpenAI's types, which clients of Gemini, Claude and Mistral know."""


class Streamed(NamedTuple):
    """The text of a stream, and its error's message; None if it did not end in one."""

    text: str
    error: str | None = None


class ChatAPI:
    """OpenAI's Chat Completions API."""

    def request(self, model, *, stream=False):
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return "/v1/chat/completions", body

    def error(self, body):
        return body["error"]["message"]

    def text(self, content):
        answer = ChatCompletion.model_validate_json(content, strict=True)
        return "".join(text_of(choice.message) for choice in answer.choices)

    def streamed(self, content):
        chunks, error = openai_events(content)
        parsed = [ChatCompletionChunk.model_validate(chunk, strict=True) for chunk in chunks]
        return Streamed("".join(text_of(choice.delta) for chunk in parsed for choice in chunk.choices), error)


def text_of(message):
    """Content and reasoning: beside an answer in JSON, texts are told as reasoning."""
    return (message.content or "") + (getattr(message, "reasoning_content", None) or "")


def openai_events(content):
    """The chunks of a stream of OpenAI's, and the message of the error at its end."""
    *chunks, last = events_of(content)
    if last == "[DONE]":
        return chunks, None
    return chunks, last["error"]["message"]


class CompletionsAPI(ChatAPI):
    """OpenAI's API for completions."""

    def request(self, model, *, stream=False):
        _, body = super().request(model, stream=stream)
        body["prompt"] = body.pop("messages")[0]["content"]
        return "/v1/completions", body

    def text(self, content):
        return "".join(choice.text for choice in Completion.model_validate_json(content, strict=True).choices)

    def streamed(self, content):
        chunks, error = openai_events(content)
        parsed = [Completion.model_validate(with_reasons(chunk), strict=True) for chunk in chunks]
        return Streamed("".join(choice.text for chunk in parsed for choice in chunk.choices), error)


def with_reasons(chunk):
    """A chunk as OpenAI's type has it: that of whole completions, with a finish reason."""
    choices = [{**choice, "finish_reason": choice["finish_reason"] or "stop"} for choice in chunk["choices"]]
    return {**chunk, "choices": choices}


class ResponsesAPI(ChatAPI):
    """OpenAI's Responses API."""

    def request(self, model, *, stream=False):
        return "/v1/responses", {"model": model, "input": "Hello"} | ({"stream": True} if stream else {})

    def text(self, content):
        return Response.model_validate_json(content, strict=True).output_text

    def streamed(self, content):
        lines = [line[6:] for line in content.decode().splitlines() if line.startswith("data: ")]
        events = [json.loads(line) for line in lines]
        for event, line in zip(events, lines, strict=True):
            RESPONSE_EVENTS[event["type"]].model_validate_json(line, strict=True)
        text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        last = events[-1]
        assert last["type"] in {"response.completed", "response.incomplete", "response.failed"}
        return Streamed(
            text, last["response"]["error"]["message"] if last["type"] == "response.failed" else None
        )


class MessagesAPI:
    """Anthropic's Messages API."""

    def request(self, model, *, stream=False):
        body = {"model": model, "max_tokens": 4000, "messages": [{"role": "user", "content": "Hello"}]}
        body |= {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        return "/v1/messages", body | ({"stream": True} if stream else {})

    def error(self, body):
        assert body["type"] == "error"
        return body["error"]["message"]

    def text(self, content):
        message = Message.model_validate_json(content, strict=True)
        return "".join(block.text for block in message.content if block.type == "text")

    def streamed(self, content):
        snapshot, buffers, error = None, {}, None
        for lines in content.decode().removesuffix("\n\n").split("\n\n"):
            kind, data = lines.split("\ndata: ")
            event = json.loads(data)
            assert kind == f"event: {event['type']}"
            assert error is None
            if event["type"] == "error":
                error = self.error(event)
            elif event["type"] != "ping":
                parsed = MESSAGE_EVENT.validate_json(data, strict=True)
                snapshot = accumulate_event(event=parsed, current_snapshot=snapshot, json_bufs=buffers)
        blocks = snapshot.content if snapshot else []
        assert error or event["type"] == "message_stop"
        return Streamed("".join(block.text for block in blocks if block.type == "text"), error)


class GeminiAPI:
    """Google's Gemini API."""

    def request(self, model, *, stream=False):
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        body = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
        return f"/v1beta/models/{model}:{method}", body

    def error(self, body):
        return body["error"]["message"]

    def text(self, content):
        answer = genai.GenerateContentResponse.model_validate_json(content, strict=True)
        return "".join(
            part.text or ""
            for candidate in answer.candidates or ()
            for part in (candidate.content and candidate.content.parts) or ()
            if not part.thought
        )

    def streamed(self, content):
        events = [event.removeprefix("data: ") for event in content.decode().split("\r\n\r\n")]
        last = events.pop()
        error = self.error(json.loads(last.removeprefix("data: "))) if last else None
        return Streamed("".join(self.text(event) for event in events), error)


CHAT, COMPLETIONS, RESPONSES = ChatAPI(), CompletionsAPI(), ResponsesAPI()
MESSAGES, GEMINI = MessagesAPI(), GeminiAPI()


def texts(publisher, answer):
    """The texts in an answer of a publisher's, or in an event of one, that a client has to get."""
    if publisher == "anthropic":
        delta = answer.get("delta")
        blocks = [*objects(answer.get("content")), *objects([delta, answer.get("content_block")])]
        strings = [block.get("text") for block in blocks if block.get("type") not in WITHOUT_TEXT]
    elif publisher == "google":
        parts = [part for item in objects(answer.get("candidates")) for part in parts_of(item)]
        strings = [part.get("text") for part in parts if part.get("thought") is not True]
    else:
        messages = [item.get("delta", item.get("message")) for item in objects(answer.get("choices"))]
        contents = [message.get("content") for message in objects(messages)]
        parts = [part for item in contents for part in (item if isinstance(item, list) else [item])]
        strings = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return [text for text in strings if text and isinstance(text, str)]


WITHOUT_TEXT = ("thinking", "redacted_thinking", "tool_use")


def objects(value):
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def parts_of(candidate):
    content = candidate.get("content")
    parts = objects(content.get("parts")) if isinstance(content, dict) else []
    return [part for part in parts if not part.get("functionCall")]
