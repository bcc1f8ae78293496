"""Gemini's answers, whole or in chunks: both have one form, so one reader reads both.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/GenerateContentResponse. Proto
JSON leaves out what is zero or empty, so anything may be missing.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.publishers.google.chat import grounding, signatures
from vertex_compat.publishers.google.chat.audio_output import AudioOutput
from vertex_compat.publishers.google.chat.signatures import Marks, digest
from vertex_compat.types import JSON, Delta, StreamPart, StreamTranslator, UpstreamCall, Usage

_log = logging.getLogger(__name__)

FINISH: Final = {
    "FINISH_REASON_UNSPECIFIED": "stop",
    "STOP": "stop",
    "OTHER": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "NO_IMAGE": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
}
"""Why Gemini ended → OpenAI's reason. One that made calls and was not cut says `tool_calls` instead."""

BROKEN: Final = {
    "MALFORMED_FUNCTION_CALL": "Gemini wrote a function call that cannot be read.",
    "MALFORMED_RESPONSE": "Gemini wrote an answer that cannot be read.",
    "MISSING_THOUGHT_SIGNATURE": "Gemini misses the signature of an earlier thought.",
    "TOO_MANY_TOOL_CALLS": "Gemini called too many tools in a row.",
    "UNEXPECTED_TOOL_CALL": "Gemini called a tool that it was not offered.",
}
"""Why there is no answer, though the call succeeded."""


_NOTHING: Final[JSON] = {}
_COUNTS: Final = frozenset({"promptTokenCount", "totalTokenCount"})  # one of them is in what is a usage


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """The pieces of a whole answer."""
    return _Reader(call).read(body)


def stream(call: UpstreamCall) -> StreamTranslator:
    """The reader of one stream."""
    return _Reader(call).read


class _Reader:
    """One answer to a call, of several candidates that are not concerned with each other."""

    def __init__(self, call: UpstreamCall) -> None:
        self._call = call
        self._id = ""
        self._candidates: dict[int, _Candidate] = {}

    def read(self, event: JSON) -> Iterable[StreamPart]:
        """The pieces that a chunk, or the whole answer, brings. Nearly always it is more text."""
        try:
            (told,) = event["candidates"]
            (part,) = told["content"]["parts"]
            text = part["text"]
            candidate = self._candidates[told.get("index", 0)]
        except (KeyError, TypeError, ValueError):  # something else, or the beginning
            return self._read(event)
        counts = event.get("usageMetadata") or _NOTHING
        if (
            len(part) == 1
            and len(told) == 1 + ("index" in told)
            and "totalTokenCount" not in counts
            and "promptTokenCount" not in counts
            and (delta := candidate.go_on(text))
        ):
            return (delta,)
        return self._read(event)

    def _read(self, event: JSON) -> Iterator[StreamPart]:
        self._id = self._id or event.get("responseId") or secrets.token_hex(12)
        for told in event.get("candidates") or []:
            index = told.get("index", 0)
            if index not in self._candidates:
                self._candidates[index] = _Candidate(index, f"{self._id}:{index}", self._call)
            yield from self._candidates[index].read(told)
        feedback = event.get("promptFeedback") or {}
        if not self._candidates and (reason := feedback.get("blockReason")):
            said = feedback.get("blockReasonMessage") or f"The prompt was blocked: {reason}."
            rated = {"safety_ratings": feedback["safetyRatings"]} if feedback.get("safetyRatings") else {}
            yield Delta(0, {"refusal": said, **rated}, "content_filter")
        counts = event.get("usageMetadata") or {}
        if not _COUNTS.isdisjoint(counts):
            yield usage(counts)


class _Candidate:
    """One candidate on its way.

    What is about the answer as a whole (sources, ratings, the signature of its text) waits for its end: the
    sources refer to all of its text, and clients join the strings and lists of several chunks.
    """

    def __init__(self, index: int, seed: str, call: UpstreamCall) -> None:
        self._index = index
        self._seed = seed
        self._call = call
        self._texts: list[str] = []
        self._starts: list[int] = []  # in bytes of text, of each part
        self._length = 0
        self._calls = 0
        self._images = 0
        self._sound = AudioOutput(call.audio_format, f"audio_{digest(seed)}") if call.audio_format else None
        self._groundings: list[JSON] = []
        self._about: JSON = {}
        self._ended = False

    def go_on(self, text: str) -> Delta | None:
        """The piece that nothing but more text brings, if it does."""
        if not text or self._ended:
            return None
        self._starts.append(self._length)
        return Delta(self._index, self._content(text))

    def read(self, told: JSON) -> Iterator[Delta]:
        """The pieces that `told` brings."""
        for part in (told.get("content") or {}).get("parts") or []:
            self._starts.append(self._length)
            if fields := self._part(part):
                yield Delta(self._index, fields)
        if logprobs := _logprobs(told.get("logprobsResult") or {}):
            yield Delta(self._index, {}, logprobs=logprobs)
        self._note(told)
        reason = told.get("finishReason")
        if reason in BROKEN:
            said = f"{BROKEN[reason]} {told.get('finishMessage', '')}"
            raise errors.InvalidModelResponse(said.strip(), code=reason.lower())
        self._ended = self._ended or reason is not None
        if self._ended:
            yield Delta(self._index, self._last(), self._finish(reason) if reason else None)

    def _part(self, part: JSON) -> JSON:
        """What a part is in a delta; nothing if it is empty, or a sketch made while thinking."""
        if call := part.get("functionCall"):
            return {"tool_calls": [self._tool_call(call, part.get("thoughtSignature"))]}
        if signature := part.get("thoughtSignature"):
            self._about |= signatures.extra_content(signature)
        if text := part.get("text"):
            return {"reasoning_content": text} if part.get("thought") else self._content(text)
        if code := part.get("executableCode"):
            return self._content(_fenced(code.get("language", "").lower(), code.get("code", "")))
        if result := part.get("codeExecutionResult"):
            failed = result.get("outcome") not in {None, "OUTCOME_OK"}
            return self._content(_fenced("error" if failed else "output", result.get("output", "")))
        if (file := part.get("inlineData") or part.get("fileData")) and not part.get("thought"):
            return self._file(file)
        return {}

    def _content(self, text: str) -> JSON:
        self._texts.append(text)
        self._length += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        return {"content": text}

    def _tool_call(self, call: JSON, signature: str | None) -> JSON:
        """A call, whole: Gemini tells its arguments at once."""
        marks = Marks(call.get("id"), signature)
        name = call.get("name", "")
        made = {
            "index": self._calls,
            "id": signatures.call_id(f"{self._seed}:{self._calls}", marks),
            "type": "function",
            "function": {
                "name": self._call.tool_names.get(name, name),
                "arguments": msgspec.json.encode(call.get("args") or {}).decode(),
            },
        }
        self._calls += 1
        return made | (signatures.extra_content(signature) if signature else {})

    def _file(self, file: JSON) -> JSON:
        mime = file.get("mimeType", "")
        if mime.startswith("audio/") and self._sound:
            return self._sound.read(file)
        url = file.get("fileUri") or f"data:{mime};base64,{file.get('data', '')}"
        self._images += 1
        return {"images": [{"type": "image_url", "image_url": {"url": url}, "index": self._images - 1}]}

    def _note(self, told: JSON) -> None:
        if metadata := told.get("groundingMetadata"):
            self._groundings.append(metadata)
        filtered = FINISH.get(told.get("finishReason", "")) == "content_filter"
        about = {
            "safety_ratings": told.get("safetyRatings"),
            "citations": (told.get("citationMetadata") or {}).get("citations"),
            "url_context_metadata": told.get("urlContextMetadata"),
            "refusal": told.get("finishMessage") if filtered else None,
        }
        self._about |= {name: held for name, held in about.items() if held}

    def _last(self) -> JSON:
        """What is about the answer as a whole, once."""
        fields, self._about = self._about, {}
        groundings, self._groundings = self._groundings, []
        text = "".join(self._texts)
        cited = [one for each in groundings for one in grounding.url_citations(each, text, self._starts)]
        if cited:
            fields["annotations"] = [one for place, one in enumerate(cited) if one not in cited[:place]]
        if groundings:
            fields["vertex_ai_grounding_metadata"] = groundings
        if self._sound:
            fields |= self._sound.end()
        return fields

    def _finish(self, reason: str) -> str:
        if reason not in FINISH:
            _log.warning("unknown finishReason of Gemini: %.80s", reason)
        ours = FINISH.get(reason, "stop")
        return "tool_calls" if ours == "stop" and self._calls else ours


def _fenced(kind: str, text: str) -> str:
    return f"\n```{kind}\n{text.rstrip()}\n```\n"


def _logprobs(result: JSON) -> JSON | None:
    """Chosen tokens with the best ones of each place, which may miss the chosen one."""
    chosen = result.get("chosenCandidates")
    if not chosen:
        return None
    best = result.get("topCandidates") or []
    content = []
    for place, token in enumerate(chosen):
        top = best[place].get("candidates") or [] if place < len(best) else []
        content.append(_token(token) | {"top_logprobs": [_token(other) for other in top]})
    return {"content": content, "refusal": None}


def _token(candidate: JSON) -> dict[str, Any]:
    token = candidate.get("token", "")
    return {
        "token": token,
        "logprob": candidate.get("logProbability", 0.0),
        "bytes": list(token.encode("utf-8", "surrogatepass")),
    }


def usage(counts: JSON) -> Usage:
    """Gemini counts thoughts and the tokens of tools beside the answer and the prompt; OpenAI inside them."""
    thoughts = counts.get("thoughtsTokenCount", 0)
    asked = [*(counts.get("promptTokensDetails") or []), *(counts.get("toolUsePromptTokensDetails") or [])]
    return Usage(
        prompt=counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0),
        completion=counts.get("candidatesTokenCount", 0) + thoughts,
        prompt_details={"cached_tokens": counts.get("cachedContentTokenCount", 0), **_of_media(asked)},
        completion_details={
            "reasoning_tokens": thoughts,
            **_of_media(counts.get("candidatesTokensDetails") or []),
        },
    )


def _of_media(told: list[JSON]) -> dict[str, int]:
    """Tokens by modality, where they are not of text."""
    return {
        f"{one['modality'].lower()}_tokens": one["tokenCount"]
        for one in told
        if one.get("tokenCount") and one.get("modality", "TEXT") != "TEXT"
    }
