"""The parts of a model's response as Gemini's `GenerateContentResponse`, whole or in chunks.

https://ai.google.dev/api/generate-content#GenerateContentResponse. A stream is one response a chunk; function
calls are sent whole, when the model has finished.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.operations.opaque_state import encode_state
from vertex_compat.publishers.chat_messages import read_arguments
from vertex_compat.types import JSON, DeltaFields, StreamPart, ToolCallDelta, Usage

if TYPE_CHECKING:
    from vertex_compat.operations.generate_content import answer_types as wire

FINISH_REASONS: Final[dict[str, wire.FinishReason]] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "function_call": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
"""OpenAI's finish reason → Gemini's."""

_TEXT_HEAD: Final = b'{"candidates":[{"content":{"role":"model","parts":[{"text":'
_encode = msgspec.json.Encoder().encode

_STATE: Final = ("extra_content", "thinking_blocks")


class Candidate:
    """One candidate while it grows."""

    def __init__(self, index: int, *, thoughts: bool) -> None:
        self._index = index
        self._thoughts = thoughts
        self._calls: dict[int, JSON] = {}
        self._state: JSON = {}
        self._texts: list[str] = []
        self._sources: list[JSON] = []
        self._refusal: str | None = None
        self.finish: str | None = None

    def delta(self, fields: DeltaFields) -> wire.Candidate | None:
        """Return what a delta adds to the candidate now; None if that has to wait for its end."""
        self._state |= {key: fields[key] for key in _STATE if key in fields}
        for call in fields.get("tool_calls") or ():
            self._call(call)
        self._sources += fields.get("annotations") or ()
        if refusal := fields.get("refusal"):
            self._refusal = (self._refusal or "") + refusal
        parts: list[wire.Part] = []
        if self._thoughts and (thought := fields.get("reasoning_content")):
            parts.append({"text": thought, "thought": True})
        if text := fields.get("content"):
            self._texts.append(text)
            parts.append({"text": text})
        parts += [_image(image) for image in fields.get("images") or ()]
        return self._content(parts) if parts else None

    def append_text(self, text: str) -> None:
        """Read a delta with nothing but text."""
        self._texts.append(text)

    def end(self) -> wire.Candidate:
        """Return the last of the candidate: its calls, and why it ended."""
        parts: list[wire.Part] = [self._function_call(self._calls[index]) for index in sorted(self._calls)]
        if self._state:
            parts = parts or [{"text": ""}]
            parts[0]["thoughtSignature"] = base64.b64encode(encode_state(self._state).encode()).decode()
        last = self._content(parts or [{"text": ""}])
        last["finishReason"] = FINISH_REASONS.get(self.finish or "stop", "STOP")
        if self._refusal:
            last["finishMessage"] = self._refusal
        if self._sources:
            last["groundingMetadata"] = _grounding(self._sources, "".join(self._texts))
        return last

    def logprobs(self, logprobs: JSON) -> wire.Candidate:
        """Return the candidate with nothing but log probabilities."""
        tokens = logprobs.get("content") or []
        result: wire.LogprobsResult = {
            "chosenCandidates": [_token(token) for token in tokens],
            "topCandidates": [
                {"candidates": [_token(top) for top in token.get("top_logprobs") or ()]} for token in tokens
            ],
        }
        return {"index": self._index, "logprobsResult": result}

    def _content(self, parts: list[wire.Part]) -> wire.Candidate:
        return {"content": {"role": "model", "parts": parts}, "index": self._index}

    def _call(self, call: ToolCallDelta) -> None:
        function = call["function"]
        entry = self._calls.setdefault(call["index"], {"name": "", "arguments": []})
        if "id" in call:
            entry |= {"id": call["id"], "name": function["name"]}
        if extra := call.get("extra_content"):
            self._state.setdefault("call_extra_content", {"extra_content": extra})
        entry["arguments"].append(function.get("arguments") or "")

    def _function_call(self, call: JSON) -> wire.Part:
        arguments = read_arguments("".join(call["arguments"]))
        return {"functionCall": {"id": call.get("id"), "name": call["name"], "args": arguments}}


def _image(image: JSON) -> wire.Part:
    url: str = image["image_url"]["url"]
    head, _, data = url.partition(",")
    if head.startswith("data:"):
        return {"inlineData": {"mimeType": head.removeprefix("data:").partition(";")[0], "data": data}}
    return {"fileData": {"fileUri": url}}


def _token(token: JSON) -> wire.LogprobsResultCandidate:
    return {"token": token["token"], "logProbability": token["logprob"]}


def _grounding(annotations: list[JSON], text: str) -> wire.GroundingMetadata:
    """Citations of chat as grounding metadata: each source once, and the texts that it supports."""
    cited = [
        annotation["url_citation"]
        for annotation in annotations
        if (annotation.get("url_citation") or {}).get("url")
    ]
    urls = list(dict.fromkeys(citation["url"] for citation in cited))
    titles = {citation["url"]: citation.get("title") or citation["url"] for citation in cited}
    supports: list[wire.GroundingSupport] = [
        {"segment": _segment(text, citation), "groundingChunkIndices": [urls.index(citation["url"])]}
        for citation in cited
    ]
    chunks: list[wire.GroundingChunk] = [{"web": {"uri": url, "title": titles[url]}} for url in urls]
    return {"groundingChunks": chunks, "groundingSupports": supports}


def _segment(text: str, citation: JSON) -> wire.Segment:
    """The cited text and its place: Gemini counts bytes of UTF-8, chat counts characters."""
    start, end = citation.get("start_index", 0), citation.get("end_index", 0)
    before, cited = (part.encode("utf-8", "surrogatepass") for part in (text[:start], text[start:end]))
    return {"startIndex": len(before), "endIndex": len(before) + len(cited), "text": text[start:end]}


class ContentChunks:
    """Turns the parts of the responses to one request into chunks."""

    def __init__(self, model: str, *, thoughts: bool) -> None:
        self._model = model
        self._response_id = secrets.token_urlsafe(16)
        self._thoughts = thoughts
        self._candidates: dict[int, Candidate] = {}
        self._text_tails: dict[int, bytes] = {}  # JSON of a chunk with text, from the text on
        self._usages: dict[int, Usage] = {}

    def part(self, answer: int, part: StreamPart) -> Iterator[wire.GenerateContentResponse]:
        """Yield the chunks of one part of upstream response number `answer`."""
        if isinstance(part, Usage):
            self._usages[answer] = part
            return
        index = part.choice + answer
        if index not in self._candidates:
            self._candidates[index] = Candidate(index, thoughts=self._thoughts)
        candidate = self._candidates[index]
        candidate.finish = part.finish_reason or candidate.finish
        if delta := candidate.delta(part.fields):
            yield self._chunk([delta])
        if part.logprobs:
            yield self._chunk([candidate.logprobs(part.logprobs)])

    def encode_text(self, index: int, text: str) -> bytes:
        """Return the JSON of the chunk for more text of a candidate that has begun."""
        self._candidates[index].append_text(text)
        if index not in self._text_tails:
            chunk = msgspec.json.encode(self._chunk([]))
            self._text_tails[index] = b'}]},"index":%d}],' % index + chunk.removeprefix(b'{"candidates":[],')
        return b"".join((_TEXT_HEAD, _encode(text), self._text_tails[index]))

    def end(self) -> wire.GenerateContentResponse:
        """Return the last chunk; raises `UpstreamFault` if the model had not finished."""
        candidates = [self._candidates[index] for index in sorted(self._candidates)]
        if not candidates or any(candidate.finish is None for candidate in candidates):
            raise errors.unfinished_response()
        last = self._chunk([candidate.end() for candidate in candidates])
        last["usageMetadata"] = self._counts()
        return last

    def _chunk(self, candidates: list[wire.Candidate]) -> wire.GenerateContentResponse:
        return {"candidates": candidates, "modelVersion": self._model, "responseId": self._response_id}

    def _counts(self) -> wire.GenerateContentResponseUsageMetadata:
        """Gemini counts thoughts apart from the other output; OpenAI among it."""
        usages = self._usages.values()
        prompt, completion = sum(usage.prompt for usage in usages), sum(usage.completion for usage in usages)
        thoughts = sum(usage.completion_details.get("reasoning_tokens", 0) for usage in usages)
        counts: wire.GenerateContentResponseUsageMetadata = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": max(0, completion - thoughts),
            "totalTokenCount": prompt + completion,
        }
        if thoughts:
            counts["thoughtsTokenCount"] = thoughts
        if cached := sum(usage.prompt_details.get("cached_tokens", 0) for usage in usages):
            counts["cachedContentTokenCount"] = cached
        return counts


def whole_response(chunks: list[wire.GenerateContentResponse]) -> wire.GenerateContentResponse:
    """Return the response that all `chunks` add up to; texts in a row become one part."""
    candidates: dict[int, Any] = {}
    for chunk in chunks:
        for delta in chunk["candidates"]:
            merged = candidates.setdefault(delta["index"], {"content": {"role": "model", "parts": []}})
            if content := delta.get("content"):
                merged["content"]["parts"] += content["parts"]
            merged |= {name: value for name, value in delta.items() if name != "content"}
    for candidate in candidates.values():
        candidate["content"]["parts"] = _join_texts(candidate["content"]["parts"])
    return {**chunks[-1], "candidates": [candidates[index] for index in sorted(candidates)]}


def _join_texts(parts: list[wire.Part]) -> list[wire.Part]:
    joined: list[wire.Part] = []
    texts: list[list[str]] = []
    for part in parts:
        kind = part.keys() - {"text"}
        if "text" not in part or "thoughtSignature" in kind:
            joined.append(part)
            texts.append([])
        elif joined and "text" in joined[-1] and joined[-1].keys() - {"text"} == kind:
            texts[-1].append(part["text"])
        else:
            joined.append(part.copy())
            texts.append([part["text"]])
    for part, pieces in zip(joined, texts, strict=True):
        if pieces:
            part["text"] = "".join(pieces)
    return [part for part in joined if part != {"text": ""}] or joined[:1]
