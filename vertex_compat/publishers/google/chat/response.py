"""Read Gemini's responses, whole or in chunks: both have one form, so one reader reads both.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1beta1/GenerateContentResponse.
ProtoJSON leaves out what is zero or empty, so any field may be missing; `json_values` reads those that are
null or of another type.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import enum, integer, items, mapping, number, text
from vertex_compat.publishers import code_fences, json_schema
from vertex_compat.publishers.google.chat import grounding, signatures
from vertex_compat.publishers.google.chat.audio_output import AudioOutput
from vertex_compat.publishers.google.chat.signatures import CallMarks, digest
from vertex_compat.publishers.google.finish_reasons import BLOCK_REASONS, FINISH, UNUSABLE, finish_reason
from vertex_compat.publishers.google.usage import TOTALS, total, usage
from vertex_compat.types import (
    JSON,
    CodeExecution,
    Delta,
    DeltaFields,
    JSONAnswer,
    StreamPart,
    StreamTranslator,
    TextEvent,
    ToolCallDelta,
    UpstreamCall,
    Usage,
)

_log = logging.getLogger(__name__)

LANGUAGES: Final = ("LANGUAGE_UNSPECIFIED", "PYTHON")
SUCCESS: Final = "OUTCOME_OK"
OUTCOMES: Final = ("OUTCOME_UNSPECIFIED", "OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED")

MAX_CONTINUATIONS: Final = 32
"""Gemini 4's window of 1,048,576 tokens in calls of 32,768, the smaller of its limits.

https://ai.google.dev/gemini-api/docs/generate-content/long-decode
"""

MAX_CANDIDATES: Final = 128
"""OpenAI's limit of `n`. A larger index is not one."""

IMPROBABLE: Final = -9999.0
"""OpenAI's log probability of a token that is none of the most likely."""

_EMPTY: Final[JSON] = {}


def response(body: JSON, call: UpstreamCall) -> Iterable[StreamPart]:
    """Return the parts of a whole response."""
    return whole(call)(body)


def whole(call: UpstreamCall) -> Callable[[JSON], Iterable[StreamPart]]:
    """Return the translator of whole responses that continue each other."""
    translate = _ResponseReader(call).read_whole
    return code_fences.without_fences(translate) if _is_instructed(call) else translate


def stream(call: UpstreamCall) -> StreamTranslator:
    """Return the translator of one stream."""
    translate = _ResponseReader(call).read_chunk
    return code_fences.without_fences(translate) if _is_instructed(call) else translate


def _is_instructed(call: UpstreamCall) -> bool:
    """Return whether nothing but an instruction makes the model write JSON."""
    return call.json_answer is not None and call.json_answer.source == "text"


class _ResponseReader:
    """Reads the response to one call: its candidates, its usage, and the calls that continue it."""

    def __init__(self, call: UpstreamCall) -> None:
        self._call = call
        self._id = ""
        self._candidates: dict[int, _Candidate] = {}
        self._counts: JSON = {}  # of the current call
        self._earlier_usages: list[Usage] = []  # of the calls that it continues
        self._is_continued = False
        self._is_blocked = False

    def read_chunk(self, event: JSON) -> TextEvent | Iterable[StreamPart]:
        """Return the parts of one chunk, which holds only more text in most cases."""
        try:
            (candidate,) = event["candidates"]
            (part,) = candidate["content"]["parts"]
            state = self._candidates[candidate.get("index", 0)]
            counts = event.get("usageMetadata") or _EMPTY
            only_text = (
                len(part) == 1
                and len(candidate) == 1 + ("index" in candidate)
                and "totalTokenCount" not in counts
                and "promptTokenCount" not in counts
            )
            content = part["text"]
        except (AttributeError, KeyError, TypeError, ValueError):  # the first chunk, or more than text
            return self.read(event)
        if only_text and type(content) is str and state.append_text(content):
            return TextEvent(state.index, content, state.append_text)
        return self.read(event)

    def read(self, event: JSON) -> Iterator[StreamPart]:
        """Yield the parts of a chunk or of a whole response."""
        self._id = self._id or text(event.get("responseId")) or secrets.token_hex(12)
        if self._is_continued:
            self._earlier_usages.append(usage(self._counts))
            self._counts, self._is_continued = {}, False
        for position, candidate in enumerate(items(event.get("candidates"))):
            reader = self._candidate(candidate, position)
            if call := self._continuation(candidate):
                self._is_continued = True
                yield from reader.pause(candidate)
                yield Delta(reader.index, {}, "length", continuation=call)
            else:
                yield from reader.read(candidate)
                yield from self._checkpoint(candidate, reader)
        yield from self._refusal(mapping(event.get("promptFeedback")))
        counts = {
            name: value for name, value in mapping(event.get("usageMetadata")).items() if value is not None
        }
        if not TOTALS.isdisjoint(counts):
            self._counts |= counts
            yield total([*self._earlier_usages, usage(self._counts)])

    def read_whole(self, body: JSON) -> Iterator[StreamPart]:
        """Yield the parts of a whole response. It has finished even where no `finishReason` says so."""
        yield from self.read(body)
        if not self._is_continued:
            for candidate in self._candidates.values():
                yield from candidate.finish()

    def _candidate(self, candidate: JSON, position: int) -> _Candidate:
        index = integer(candidate.get("index", 0))
        if index is None or not 0 <= index < MAX_CANDIDATES:
            index = position
        if index not in self._candidates:
            self._candidates[index] = _Candidate(index, f"{self._id}:{index}", self._call)
        return self._candidates[index]

    def _continuation(self, candidate: JSON) -> UpstreamCall | None:
        """Return the call that continues a candidate which reached the limit of one call."""
        token = text(candidate.get("continuationToken"))
        repeated = token == self._call.body.get("continuationToken")
        if finish_reason(candidate) != "CONTINUATION" or not token or repeated:
            return None
        if len(self._earlier_usages) >= MAX_CONTINUATIONS:
            return None
        body = {**self._call.body, "continuationToken": token}
        self._call = msgspec.structs.replace(self._call, body=body)
        return self._call

    def _checkpoint(self, candidate: JSON, reader: _Candidate) -> Iterator[Delta]:
        """Yield the checkpoint of a chunk that has one.

        Google's SDK (google-genai 2.30, `StreamContinuation`) resumes a broken stream from the last
        checkpoint. Text that has come since then is written twice. Here that is an error.
        """
        token = text(candidate.get("continuationToken"))
        if token and not finish_reason(candidate):
            yield Delta(reader.index, {}, checkpoint=partial(self._resume, token, reader, reader.parts_read))

    def _resume(self, token: str, reader: _Candidate, parts_read: int) -> UpstreamCall | None:
        is_current = reader.parts_read == parts_read and not reader.has_ended and not self._is_blocked
        if not is_current or len(self._earlier_usages) >= MAX_CONTINUATIONS:
            return None
        reader.begin_call()
        self._is_continued = True
        body = {**self._call.body, "continuationToken": token}
        self._call = msgspec.structs.replace(self._call, body=body)
        return self._call

    def _refusal(self, feedback: JSON) -> Iterator[Delta]:
        reason = enum(feedback.get("blockReason"), BLOCK_REASONS)
        self._is_blocked = self._is_blocked or bool(reason)
        if not reason or self._candidates:
            return
        message = text(feedback.get("blockReasonMessage")) or f"The prompt was blocked: {reason}."
        ratings = items(feedback.get("safetyRatings"))
        fields: DeltaFields = {"refusal": message}
        if ratings:
            fields["safety_ratings"] = ratings
        yield Delta(0, fields, "content_filter")


class _Candidate:
    """Reads one candidate.

    Fields of the whole answer (sources, ratings, the signature of its text) are held back until its end.
    The sources refer to the complete text, and clients join the strings and lists of several chunks.
    """

    def __init__(self, index: int, seed: str, call: UpstreamCall) -> None:
        self.index = index
        self._seed = seed
        self._tool_names = call.tool_names
        self._answer = call.json_answer
        self._texts: list[str] = []
        self._part_starts: list[int] = []  # for each part, how many texts come before it
        self._first_part = 0  # of the current call, in `_part_starts`
        self._tool_calls = 0
        self._images = 0
        self._max_drafts = call.partial_images
        self._drafts = 0  # of the next image
        self._audio = AudioOutput(call.audio_format, f"audio_{digest(seed)}") if call.audio_format else None
        self._groundings: list[tuple[JSON, int]] = []
        self._last_fields: DeltaFields = {}
        self._signature: str | None = None  # of a part that cannot carry it back
        self.has_ended = False

    def append_text(self, content: str) -> bool:
        """Read a chunk that holds only text; return False if there is more to say."""
        if not content or self.has_ended:
            return False
        self._part_starts.append(len(self._texts))
        self._texts.append(content)
        return True

    def pause(self, candidate: JSON) -> Iterator[Delta]:
        """Yield the deltas of the last chunk before another call continues the candidate."""
        yield from self._content_deltas(candidate)
        self._note(candidate, "")
        self.begin_call()

    def begin_call(self) -> None:
        """Note that the next parts are those of another call: its citations count from them."""
        self._first_part = len(self._part_starts)

    @property
    def parts_read(self) -> int:
        """The number of parts so far."""
        return len(self._part_starts)

    def read(self, candidate: JSON) -> Iterator[Delta]:
        """Yield the deltas of one chunk; raises `InvalidModelResponse`."""
        yield from self._content_deltas(candidate)
        reason = finish_reason(candidate)
        self._note(candidate, reason)
        if reason in UNUSABLE:
            message = f"{UNUSABLE[reason]} {text(candidate.get('finishMessage'))}"
            raise errors.InvalidModelResponse(message.strip(), code=reason.lower())
        self.has_ended = self.has_ended or bool(reason)
        if self.has_ended:
            yield Delta(self.index, self._final_fields(), self._finish(reason) if reason else None)

    def _content_deltas(self, candidate: JSON) -> Iterator[Delta]:
        for part in items(mapping(candidate.get("content")).get("parts")):
            self._part_starts.append(len(self._texts))
            if fields := self._part(part):
                yield Delta(self.index, fields, code_execution=_code_execution(part))
        if logprobs := _logprobs(mapping(candidate.get("logprobsResult"))):
            yield Delta(self.index, {}, logprobs=logprobs)

    def finish(self) -> Iterator[Delta]:
        """Yield the last delta if the candidate has not ended."""
        if not self.has_ended:
            self.has_ended = True
            yield Delta(self.index, self._final_fields(), self._finish("STOP"))

    def _part(self, part: JSON) -> DeltaFields:
        """Return the fields of a delta; none for an empty part."""
        signature = signatures.valid(part.get("thoughtSignature"))
        if call := mapping(part.get("functionCall")):
            if self._answer and self._answer.tool and call.get("name") == self._answer.tool:
                return self._content(_json_answer(call, self._answer))
            return {"tool_calls": [self._tool_call(call, signature or self._take_signature())]}
        content, thought = text(part.get("text")), part.get("thought") is True
        file = mapping(part.get("inlineData")) or mapping(part.get("fileData"))
        if file and not thought:
            return self._file(file, signature)
        if signature and content and not thought:
            self._last_fields["extra_content"] = signatures.extra_content(signature)
        elif signature:
            self._signature = signature
        if content:
            return {"reasoning_content": content} if thought else self._content(content)
        return self._draft(file) if file else self._special_part(part)

    def _special_part(self, part: JSON) -> DeltaFields:
        if code := mapping(part.get("executableCode")):
            language = enum(code.get("language"), LANGUAGES).lower()
            return self._content(code_fences.code_block(language, text(code.get("code"))))
        if result := mapping(part.get("codeExecutionResult")):
            return self._content(
                code_fences.code_block(
                    "output" if _outcome(result) == SUCCESS else "error", text(result.get("output"))
                )
            )
        if transcription := mapping(part.get("audioTranscription")):
            return self._transcription(transcription)
        return {}

    def _content(self, content: str) -> DeltaFields:
        self._texts.append(content)
        return {"content": content}

    def _take_signature(self) -> str | None:
        signature, self._signature = self._signature, None
        return signature

    def _tool_call(self, call: JSON, signature: str | None) -> ToolCallDelta:
        """Return a complete call: Gemini sends all arguments together."""
        marks = CallMarks(text(call.get("id")) or None, signature)
        name = text(call.get("name"))
        tool_call: ToolCallDelta = {
            "index": self._tool_calls,
            "id": signatures.call_id(f"{self._seed}:{self._tool_calls}", marks),
            "type": "function",
            "function": {
                "name": self._tool_names.get(name, name),
                "arguments": msgspec.json.encode(mapping(call.get("args"))).decode(),
            },
        }
        self._tool_calls += 1
        if signature:
            tool_call["extra_content"] = signatures.extra_content(signature)
        return tool_call

    def _file(self, file: JSON, signature: str | None) -> DeltaFields:
        mime_type, data, uri = (text(file.get(name)) for name in ("mimeType", "data", "fileUri"))
        if mime_type.startswith("audio/") and self._audio:
            return self._audio.read(mime_type, data)
        if not (data or uri):
            return {}
        image: JSON = {
            "type": "image_url",
            "image_url": {"url": uri or f"data:{mime_type};base64,{data}"},
            "index": self._images,
        }
        self._images += 1
        self._drafts = 0
        if signature := signature or self._take_signature():
            image["extra_content"] = signatures.extra_content(signature)
        return {"images": [image]}

    def _draft(self, file: JSON) -> DeltaFields:
        """Return a draft image of the thoughts, if the client gets one more."""
        mime_type, data = text(file.get("mimeType")), text(file.get("data"))
        if not data or self._drafts >= self._max_drafts:
            return {}
        self._drafts += 1
        url = {"url": f"data:{mime_type};base64,{data}"}
        return {"partial_images": [{"type": "image_url", "image_url": url, "index": self._drafts - 1}]}

    def _transcription(self, transcription: JSON) -> DeltaFields:
        """Return the text of a segment of speech, and the segment with its speaker and times."""
        content = text(transcription.get("text"))
        if content and self._texts and not (self._texts[-1][-1:].isspace() or content[:1].isspace()):
            content = f" {content}"
        segment = {
            "text": content.strip(),
            "start": _seconds(transcription.get("startOffset")),
            "end": _seconds(transcription.get("endOffset")),
            "speaker": text(transcription.get("speakerLabel")) or None,
            "language": text(transcription.get("languageCode")) or None,
            "words": [
                {
                    "word": text(word.get("word")),
                    "start": _seconds(word.get("startOffset")) or 0.0,
                    "end": _seconds(word.get("endOffset")) or 0.0,
                }
                for word in items(transcription.get("words"))
            ],
        }
        return self._content(content) | {"segments": [segment]}

    def _note(self, candidate: JSON, reason: str) -> None:
        """Keep what is sent at the end of the candidate."""
        if metadata := mapping(candidate.get("groundingMetadata")):
            self._groundings.append((metadata, self._first_part))
        if ratings := items(candidate.get("safetyRatings")):
            self._last_fields["safety_ratings"] = ratings
        if citations := items(mapping(candidate.get("citationMetadata")).get("citations")):
            self._last_fields["citations"] = citations
        if pages := mapping(candidate.get("urlContextMetadata")):
            self._last_fields["url_context_metadata"] = pages
        if FINISH.get(reason) == "content_filter":
            message = text(candidate.get("finishMessage")) or self._silent_refusal(reason)
            if message:
                self._last_fields["refusal"] = message

    def _silent_refusal(self, reason: str) -> str:
        """Return why there is no answer at all, where Gemini names only a reason."""
        return "" if self._texts or self._images else f"Gemini ended without an answer: {reason}."

    def _final_fields(self) -> DeltaFields:
        """Return what concerns the answer as a whole, once."""
        fields, self._last_fields = self._last_fields, DeltaFields()
        if signature := self._take_signature():
            fields["extra_content"] = signatures.extra_content(signature)
        groundings, self._groundings = self._groundings, []
        if groundings:
            answer = "".join(self._texts)
            offsets = self._part_offsets()
            citations = [
                citation
                for metadata, first in groundings
                for citation in grounding.url_citations(metadata, answer, offsets[first:])
            ]
            if citations := grounding.unique(citations):
                fields["annotations"] = citations
            fields["vertex_ai_grounding_metadata"] = [
                grounding.readable(metadata) for metadata, _ in groundings
            ]
        if self._audio:
            fields |= self._audio.end()
        return fields

    def _part_offsets(self) -> list[int]:
        """Return where each part begins in the text, in UTF-8 bytes."""
        sizes = (len(content.encode("utf-8", "surrogatepass")) for content in self._texts)
        ends = [0, *accumulate(sizes)]
        return [ends[start] for start in self._part_starts]

    def _finish(self, reason: str) -> str:
        if reason not in FINISH:
            _log.warning("unknown finishReason of Gemini: %.80s", reason)
        finish = FINISH.get(reason, "stop")
        return "tool_calls" if finish == "stop" and self._tool_calls else finish


def _json_answer(call: JSON, answer: JSONAnswer) -> str:
    """Return the arguments of the answer tool as the JSON that the client requested."""
    arguments = mapping(call.get("args"))
    value = arguments.get(json_schema.VALUE) if answer.wrapped else arguments
    return msgspec.json.encode(value).decode()


def _code_execution(part: JSON) -> CodeExecution | None:
    """Return the code that Google ran, or its output; None for any other part."""
    if code := mapping(part.get("executableCode")):
        return CodeExecution(code=text(code.get("code")))
    if result := mapping(part.get("codeExecutionResult")):
        outcome = _outcome(result)
        failed = outcome != SUCCESS
        return CodeExecution(output=text(result.get("output")) or (outcome if failed else ""), failed=failed)
    return None


def _outcome(result: JSON) -> str:
    return enum(result.get("outcome"), OUTCOMES) or SUCCESS


def _seconds(duration: Any) -> float | None:
    """Return the seconds of a ProtoJSON duration such as `1.5s`."""
    try:
        return number(float(text(duration).removesuffix("s")))
    except ValueError:
        return None


def _logprobs(result: JSON) -> JSON | None:
    """Return the chosen tokens, each with the most likely ones, among which it may be missing."""
    tokens = items(result.get("chosenCandidates"))
    if not tokens:
        return None
    candidates = items(result.get("topCandidates"))
    content = []
    for position, token in enumerate(tokens):
        alternatives = items(candidates[position].get("candidates")) if position < len(candidates) else []
        content.append(
            _token(token) | {"top_logprobs": [_token(alternative) for alternative in alternatives]}
        )
    return {"content": content, "refusal": None}


def _token(candidate: JSON) -> dict[str, Any]:
    token, logprob = text(candidate.get("token")), candidate.get("logProbability", 0.0)
    return {
        "token": token,
        "logprob": value if (value := number(logprob)) is not None else IMPROBABLE,
        "bytes": list(token.encode("utf-8", "surrogatepass")),
    }
