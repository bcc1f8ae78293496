"""Gemini's responses: whole, streamed, and token counts."""

import base64
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from vertex_compat.emulator.google_models.gemini import models, rules
from vertex_compat.emulator.google_models.gemini.body import COUNT, GENERATE
from vertex_compat.emulator.google_models.gemini.models import Generation
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import BASE62, LETTERS, ModelRequest, signature
from vertex_compat.emulator.protocol.responses import (
    JSON,
    JSON_TYPE,
    SSE_TYPE,
    ErrorFormat,
    Response,
    Step,
    compact_json,
    interleave,
    mark_last,
    pretty_json_response,
)
from vertex_compat.emulator.services import model_armor
from vertex_compat.emulator.text_model.replies import Prompt, Reply, Tool, count_json_tokens, generate, texts

FINISH = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "calls": "STOP",
    "length": "MAX_TOKENS",
    "refusal": "SAFETY",
}
STREAM_HEADERS = {"Content-Disposition": "attachment", "Vary": "Origin"}
RATED_CHUNK = 2  # the chunk that has safety ratings, as recorded
SAFETY_RATINGS = [
    {
        "category": f"HARM_CATEGORY_{category}",
        "probability": "NEGLIGIBLE",
        "probabilityScore": 0.111328125,
        "severity": "HARM_SEVERITY_NEGLIGIBLE",
        "severityScore": 0.08251953,
    }
    for category in ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT")
]
TRAFFIC = {"flex": "ON_DEMAND_FLEX", "priority": "ON_DEMAND_PRIORITY"}
TRAFFIC_HEADER = "x-vertex-ai-llm-shared-request-type"
DEDICATED_HEADER = "x-vertex-ai-llm-request-type"


def sse(value: Any) -> bytes:
    """Frame one event of `alt=sse`."""
    return b"data: " + compact_json(value).encode() + b"\r\n\r\n"


def error_format(request: ModelRequest) -> ErrorFormat:
    """Return the error format: Google's envelope, inside an array in JSON streams."""
    if request.verb == "streamGenerateContent" and request.query.get("alt") != "sse":
        return ErrorFormat(
            lambda status, message: [google_errors.envelope(status, message)],
            lambda value: b",\r\n" + compact_json(value[0] if isinstance(value, list) else value).encode(),
            b",\r\n{'candi",
        )
    return ErrorFormat(google_errors.envelope, sse, b'data: {"candidates": [{"con\r\n\r\n')


@dataclass(frozen=True, slots=True)
class Turn:
    """A request and the replies from which its response is built."""

    request: ModelRequest
    body: JSON
    kind: Generation
    prompt: Prompt
    replies: list[Reply]
    continuation: JSON = field(default_factory=dict)  # of a candidate that another call continues

    @property
    def config(self) -> JSON:
        """The generationConfig, empty where there is none."""
        config: JSON = self.body.get("generationConfig", {})
        return config


def answer(request: ModelRequest) -> Response:
    """Answer a request."""
    kind = models.generation(request)
    if request.verb == "countTokens":
        return pretty_json_response(_count_tokens(proto_json.read(COUNT, request.body)))
    body = proto_json.read(GENERATE, request.body)
    rules.check(body, kind)
    prompt = _prompt(request, body, kind)
    candidate_count = body.get("generationConfig", {}).get("candidateCount", 1)
    turn = Turn(request, body, kind, prompt, [generate(prompt, number) for number in range(candidate_count)])
    if kind.continues:
        turn = _part_of_long_answer(turn)
    if request.verb == "generateContent":
        if kind.continues:
            rules.check_output_limit(body)
        return pretty_json_response(_whole(turn) | _stamp(request))
    stamp = _stamp(request)
    chunks = (chunk | stamp for chunk in _chunks(turn))
    if request.query.get("alt") == "sse":
        return Response(200, map(sse, chunks), STREAM_HEADERS | {"Content-Type": SSE_TYPE}, streamed=True)
    return Response(200, _array(chunks), {"Content-Type": JSON_TYPE}, streamed=True)


LONG = re.compile(r"in (\d) calls")


def _part_of_long_answer(turn: Turn) -> Turn:
    """Return the part of the answer for this call, where the prompt asks for it "in 3 calls".

    Source: https://ai.google.dev/gemini-api/docs/generate-content/long-decode
    """
    long_match = LONG.search(turn.prompt.text)
    if not long_match:
        return turn
    calls, number = int(long_match[1]), _call_number(turn.body.get("continuationToken"))
    reply = turn.replies[0]
    size = -(-len(reply.pieces) // calls)
    is_last = number + 1 >= calls
    part = replace(
        reply,
        thoughts=() if number else reply.thoughts,
        pieces=reply.pieces[number * size : (number + 1) * size],
        calls=reply.calls if is_last else (),
    )
    token = base64.b64encode(b"call %d" % (number + 1)).decode()
    continuation = {} if is_last else {"finishReason": "CONTINUATION", "continuationToken": token}
    return replace(turn, replies=[part], continuation=continuation)


def _call_number(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.b64decode(token, validate=True).removeprefix(b"call "))
    except ValueError:
        raise google_errors.invalid_argument("Invalid continuation token.") from None


def _array(chunks: Iterator[JSON]) -> Iterator[Step]:
    for index, chunk in enumerate(chunks):
        yield (b",\r\n" if index else b"[") + compact_json(chunk).encode()
    yield b"]\n"


def _count_tokens(body: JSON) -> JSON:
    rules.check_contents(body.get("contents", []))
    tokens = _prompt_tokens(body)
    return {
        "totalTokens": tokens,
        "totalBillableCharacters": len(compact_json(body.get("contents", []))),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
    }


def _prompt_tokens(body: JSON) -> int:
    counted_parts = [body.get(name, []) for name in ("systemInstruction", "contents", "tools")]
    return count_json_tokens([part for part in counted_parts if part]) or 1


def _whole(turn: Turn) -> JSON:
    if reason := _block_reason(turn):
        return _blocked_response(turn.request, reason)
    candidates = [
        _candidate(number, _join(_parts(turn, reply)), FINISH[reply.ending])
        | _extras(turn, reply)
        | turn.continuation
        for number, reply in enumerate(turn.replies)
    ]
    return {"candidates": candidates, "usageMetadata": _usage(turn)}


def _chunks(turn: Turn) -> Iterator[JSON]:
    """Yield the chunks of a stream, candidates interleaved; the last chunk has the token counts."""
    if reason := _block_reason(turn):
        yield _blocked_response(turn.request, reason)
        return
    traffic = {"trafficType": _traffic(turn.request)}
    candidates = interleave(_pieces(turn, number, reply) for number, reply in enumerate(turn.replies))
    for candidate, last in mark_last(candidates):
        yield {"candidates": [candidate], "usageMetadata": _usage(turn) if last else traffic}


def _pieces(turn: Turn, number: int, reply: Reply) -> Iterator[JSON]:
    """Yield one candidate in pieces, one part per chunk."""
    index = 0
    for index, (part, last) in enumerate(mark_last(_parts(turn, reply)), 1):
        if last:
            yield _candidate(number, [part], FINISH[reply.ending]) | _extras(turn, reply) | turn.continuation
        else:
            ratings = {"safetyRatings": SAFETY_RATINGS} if index == RATED_CHUNK else {}
            yield _candidate(number, [part], None) | ratings
    if not index:
        yield _candidate(number, [], FINISH[reply.ending])


def _candidate(number: int, parts: list[JSON], finish: str | None) -> JSON:
    content: JSON = {"role": "model"} | ({"parts": parts} if parts else {})
    index = {"index": number} if number else {}
    return {"content": content} | ({"finishReason": finish} if finish else {}) | index


def _parts(turn: Turn, reply: Reply) -> Iterator[JSON]:
    """Yield the parts. Gemini 3 signs its first call, or its text in a last, empty part."""
    if turn.config.get("thinkingConfig", {}).get("includeThoughts"):
        yield from ({"text": piece, "thought": True} for piece in reply.thoughts)
        if "IMAGE" in turn.config.get("responseModalities", []):
            yield from (
                {"inlineData": {"mimeType": "image/png", "data": draft}, "thought": True}
                for draft in (DRAFT, PIXEL)  # the last draft is also the image
            )
    if reply.pieces and any("codeExecution" in tool for tool in turn.body.get("tools", [])):
        yield {"executableCode": {"language": "PYTHON", "code": EXECUTED_CODE}}
        yield {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}}
    yield from ({"text": piece} for piece in reply.pieces)
    if "IMAGE" in turn.config.get("responseModalities", []):
        yield {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    for index, call in enumerate(reply.calls):
        call_id = (
            {"id": turn.request.generated_id(f"call {index}", LETTERS, 8)} if turn.kind.names_calls else {}
        )
        part: JSON = {"functionCall": call_id | {"name": call.name, "args": call.arguments}}
        if index == 0 and (turn.kind.signs or reply.thoughts):
            part["thoughtSignature"] = rules.call_signature(call.name, call.arguments)
        yield part
    if turn.kind.signs and reply.pieces and not reply.calls:
        yield {"text": "", "thoughtSignature": signature(reply.text)}


def _join(parts: Iterator[JSON]) -> list[JSON]:
    """Join adjacent text parts of one kind, as in a whole response."""
    joined: list[JSON] = []
    for part in parts:
        last = joined[-1] if joined else {}
        alike = "text" in part and "text" in last and part.get("thought") == last.get("thought")
        if alike and "thoughtSignature" not in last:
            joined[-1] = last | part | {"text": last["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


EXECUTED_CODE = "print(6 * 7)\n"
CACHED_TOKENS = 32  # size of every cached content
DRAFT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNoaGgAAAMEAYFL09IQAAAAAElFTkSuQmCC"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def _extras(turn: Turn, reply: Reply) -> JSON:
    """Return log probabilities and grounding metadata, if requested."""
    extras: JSON = {}
    if turn.config.get("responseLogprobs"):
        extras["avgLogprobs"] = -0.25
        extras["logprobsResult"] = _logprobs(reply, turn.config.get("logprobs", 0))
    if any("googleSearch" in tool for tool in turn.body.get("tools", [])) and reply.text:
        extras["groundingMetadata"] = _grounding(reply.text)
    return extras


def _logprobs(reply: Reply, max_length: int) -> JSON:
    tokens = [
        {"token": piece, "tokenId": 1000 + index, "logProbability": -0.25}
        for index, piece in enumerate(reply.pieces)
    ]
    alternatives = [
        {"token": "…", "tokenId": 7, "logProbability": -2.5 - rank} for rank in range(max(max_length - 1, 0))
    ]
    top = [{"candidates": [token, *alternatives]} for token in tokens] if max_length else []
    return {"chosenCandidates": tokens, "topCandidates": top}


def _grounding(text: str) -> JSON:
    """Return grounding metadata for the first line; offsets are in bytes."""
    line = text.split("\n", 1)[0]
    return {
        "webSearchQueries": ["emulated search"],
        "searchEntryPoint": {"renderedContent": "<div>emulated search</div>"},
        "groundingChunks": [
            {"web": {"uri": "https://example.com/a", "title": "example.com", "domain": "example.com"}}
        ],
        "groundingSupports": [
            {
                "segment": {"endIndex": len(line.encode()), "text": line},
                "groundingChunkIndices": [0],
                "confidenceScores": [0.9],
            }
        ],
    }


def _stamp(request: ModelRequest) -> JSON:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    model = request.model if not request.model.isdigit() else "gemini-2.5-flash"
    return {
        "modelVersion": model,
        "createTime": now,
        "responseId": request.generated_id("response", BASE62, 22),
    }


def _traffic(request: ModelRequest) -> str:
    if request.headers.get(DEDICATED_HEADER) == "dedicated":
        return "PROVISIONED_THROUGHPUT"
    return TRAFFIC.get(request.headers.get(TRAFFIC_HEADER, ""), "ON_DEMAND")


def _block_reason(turn: Turn) -> str | None:
    """Return why the prompt is refused: by the fault `blocked`, or by its Model Armor template."""
    if turn.request.fault.name == "blocked":
        return "PROHIBITED_CONTENT"
    if not turn.body.get("modelArmorConfig", {}).get("promptTemplateName"):
        return None
    return "MODEL_ARMOR" if model_armor.matches(turn.prompt.text) else None


def _blocked_response(request: ModelRequest, block_reason: str) -> JSON:
    reason = {"blockReason": block_reason, "blockReasonMessage": "The prompt could not be submitted."}
    return {"promptFeedback": reason, "usageMetadata": {"trafficType": _traffic(request)}}


def _usage(turn: Turn) -> JSON:
    """Return usageMetadata; zero counts are absent, as in all proto JSON."""
    output_tokens = sum(reply.tokens for reply in turn.replies)
    thought_tokens = sum(reply.thought_tokens for reply in turn.replies)
    cached_tokens = CACHED_TOKENS if turn.body.get("cachedContent") else 0
    prompt_tokens = turn.prompt.tokens + cached_tokens
    counts = {
        "promptTokenCount": prompt_tokens,
        "candidatesTokenCount": output_tokens,
        "totalTokenCount": prompt_tokens + output_tokens + thought_tokens,
        "cachedContentTokenCount": cached_tokens,
        "thoughtsTokenCount": thought_tokens,
    }
    details: JSON = {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt_tokens}]}
    if output_tokens:
        details["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": output_tokens}]
    if cached_tokens:
        details["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": cached_tokens}]
    return (
        {name: number for name, number in counts.items() if number}
        | details
        | {"trafficType": _traffic(turn.request)}
    )


def _prompt(request: ModelRequest, body: JSON, kind: Generation) -> Prompt:
    """Reduce a request to what the text model looks at."""
    config = body.get("generationConfig", {})
    contents = body["contents"]
    users = [content for content in contents if content["role"] == "user"]
    schema = config.get("responseSchema") or config.get("responseJsonSchema")
    tools, forced = _callable_tools(body)
    return Prompt(
        text=_last_text(users),
        tokens=_prompt_tokens(body),
        results=_results(contents, _last_text(users)),
        tools=tools,
        forced=forced,
        limit=config.get("maxOutputTokens"),
        stops=tuple(config.get("stopSequences", ())),
        as_json=config.get("responseMimeType") == "application/json",
        schema=schema,
        thinks=models.thinks(config.get("thinkingConfig"), kind),
        fault=request.fault,
    )


STEPS = re.compile(r"(\d+) steps")


def _results(contents: list[JSON], text: str) -> tuple[str, ...]:
    """Return the last function results, or none until the number of steps in the prompt is done."""
    steps = [_responses(content) for content in contents]
    start = max((index for index, content in enumerate(contents) if rules.is_user_text(content)), default=0)
    done = sum(bool(step) for step in steps[start:])
    candidate_count = STEPS.search(text)
    return steps[-1] if not candidate_count or done >= int(candidate_count[1]) else ()


def _responses(content: JSON) -> tuple[str, ...]:
    return tuple(
        compact_json(part["functionResponse"].get("response", {}))
        for part in content["parts"]
        if "functionResponse" in part
    )


def _last_text(users: list[JSON]) -> str:
    for content in reversed(users):
        text = texts(part.get("text", "") for part in content["parts"])
        if text:
            return text
    return ""


def _callable_tools(body: JSON) -> tuple[tuple[Tool, ...], bool]:
    """Return the functions that may be called, and whether one must be."""
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    mode, allowed_names = calling.get("mode", "AUTO"), calling.get("allowedFunctionNames")
    functions = [
        function for tool in body.get("tools", []) for function in tool.get("functionDeclarations", [])
    ]
    tools = tuple(
        Tool(function["name"], function.get("parameters") or function.get("parametersJsonSchema"))
        for function in functions
        if mode != "NONE" and (not allowed_names or function["name"] in allowed_names)
    )
    return tools, mode == "ANY"
