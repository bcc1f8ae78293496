"""Gemini's answers: whole, streamed, or counted."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vertex_compat.emulator import google, proto
from vertex_compat.emulator.answers import (
    JSON,
    JSON_TYPE,
    SSE_TYPE,
    Answer,
    Dialect,
    Step,
    compact,
    in_turn,
    pretty_answer,
    with_last,
)
from vertex_compat.emulator.asked import BASE62, LETTERS, Asked, signature
from vertex_compat.emulator.gemini import models, rules
from vertex_compat.emulator.gemini.body import COUNT, GENERATE
from vertex_compat.emulator.gemini.models import Generation
from vertex_compat.emulator.model import Prompt, Reply, Tool, count_json, reply, texts

FINISH = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "calls": "STOP",
    "length": "MAX_TOKENS",
    "refusal": "SAFETY",
}
STREAM_HEADERS = {"Content-Disposition": "attachment", "Vary": "Origin"}
RATED = 2  # the chunk with the ratings, as recorded
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


def sse(value: Any) -> bytes:
    """Frame one event of `alt=sse`."""
    return b"data: " + compact(value).encode() + b"\r\n\r\n"


def dialect(asked: Asked) -> Dialect:
    """Say how errors look: Google's envelope, in an array where the stream is one."""
    if asked.verb == "streamGenerateContent" and asked.query.get("alt") != "sse":
        return Dialect(
            lambda status, message: [google.envelope(status, message)],
            lambda value: b",\r\n" + compact(value[0] if isinstance(value, list) else value).encode(),
            b",\r\n{'candi",
        )
    return Dialect(google.envelope, sse, b'data: {"candidates": [{"con\r\n\r\n')


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer in the making."""

    asked: Asked
    body: JSON
    kind: Generation
    prompt: Prompt
    replies: list[Reply]

    @property
    def config(self) -> JSON:
        """The generationConfig, empty where there is none."""
        found: JSON = self.body.get("generationConfig", {})
        return found


def answer(asked: Asked) -> Answer:
    """Answer a call."""
    kind = models.generation(asked)
    if asked.verb == "countTokens":
        return pretty_answer(_counted(proto.read(COUNT, asked.body)))
    body = proto.read(GENERATE, asked.body)
    rules.check(body, kind)
    prompt = _prompt(asked, body, kind)
    wanted = body.get("generationConfig", {}).get("candidateCount", 1)
    turn = Turn(asked, body, kind, prompt, [reply(prompt, number) for number in range(wanted)])
    if asked.verb == "generateContent":
        return pretty_answer(_whole(turn) | _stamp(asked))
    stamp = _stamp(asked)
    chunks = (chunk | stamp for chunk in _chunks(turn))
    if asked.query.get("alt") == "sse":
        return Answer(200, map(sse, chunks), STREAM_HEADERS | {"Content-Type": SSE_TYPE}, streamed=True)
    return Answer(200, _array(chunks), {"Content-Type": JSON_TYPE}, streamed=True)


def _array(chunks: Iterator[JSON]) -> Iterator[Step]:
    for place, chunk in enumerate(chunks):
        yield (b",\r\n" if place else b"[") + compact(chunk).encode()
    yield b"]\n"


def _counted(body: JSON) -> JSON:
    rules.check_contents(body.get("contents", []))
    tokens = _prompt_tokens(body)
    return {
        "totalTokens": tokens,
        "totalBillableCharacters": len(compact(body.get("contents", []))),
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
    }


def _prompt_tokens(body: JSON) -> int:
    held = [body.get(name, []) for name in ("systemInstruction", "contents", "tools")]
    return count_json([part for part in held if part]) or 1


def _whole(turn: Turn) -> JSON:
    if turn.asked.fault.name == "blocked":
        return _blocked(turn.asked)
    candidates = [
        _candidate(number, _joined(_parts(turn, one)), FINISH[one.ending]) | _extras(turn, one)
        for number, one in enumerate(turn.replies)
    ]
    return {"candidates": candidates, "usageMetadata": _usage(turn)}


def _chunks(turn: Turn) -> Iterator[JSON]:
    """Stream the candidates in turn. The last chunk of each says why it ended, the last of all counts."""
    if turn.asked.fault.name == "blocked":
        yield _blocked(turn.asked)
        return
    traffic = {"trafficType": _traffic(turn.asked)}
    candidates = in_turn(_pieces(turn, number, one) for number, one in enumerate(turn.replies))
    for candidate, last in with_last(candidates):
        yield {"candidates": [candidate], "usageMetadata": _usage(turn) if last else traffic}


def _pieces(turn: Turn, number: int, one: Reply) -> Iterator[JSON]:
    """Cut one candidate into what its chunks hold: a part a chunk."""
    place = 0
    for place, (part, last) in enumerate(with_last(_parts(turn, one)), 1):
        if last:
            yield _candidate(number, [part], FINISH[one.ending]) | _extras(turn, one)
        else:
            ratings = {"safetyRatings": SAFETY_RATINGS} if place == RATED else {}
            yield _candidate(number, [part], None) | ratings
    if not place:
        yield _candidate(number, [], FINISH[one.ending])


def _candidate(number: int, parts: list[JSON], finish: str | None) -> JSON:
    content: JSON = {"role": "model"} | ({"parts": parts} if parts else {})
    index = {"index": number} if number else {}
    return {"content": content} | ({"finishReason": finish} if finish else {}) | index


def _parts(turn: Turn, one: Reply) -> Iterator[JSON]:
    """Give the parts as they stream. Gemini 3 signs its first call, or its text in a last, empty part."""
    if turn.config.get("thinkingConfig", {}).get("includeThoughts"):
        yield from ({"text": piece, "thought": True} for piece in one.thoughts)
    yield from ({"text": piece} for piece in one.pieces)
    if "IMAGE" in turn.config.get("responseModalities", []):
        yield {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    for place, call in enumerate(one.calls):
        made = {"id": turn.asked.made_up(f"call {place}", LETTERS, 8)} if turn.kind.names_calls else {}
        part: JSON = {"functionCall": made | {"name": call.name, "args": call.arguments}}
        if place == 0 and (turn.kind.signs or one.thoughts):
            part["thoughtSignature"] = rules.call_signature(call.name, call.arguments)
        yield part
    if turn.kind.signs and one.pieces and not one.calls:
        yield {"text": "", "thoughtSignature": signature(one.text)}


def _joined(parts: Iterator[JSON]) -> list[JSON]:
    """Join neighbouring texts of a kind, as they are in a whole answer."""
    joined: list[JSON] = []
    for part in parts:
        last = joined[-1] if joined else {}
        alike = "text" in part and "text" in last and part.get("thought") == last.get("thought")
        if alike and "thoughtSignature" not in last:
            joined[-1] = last | part | {"text": last["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


CACHED_TOKENS = 32  # what any cached content is taken to hold
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def _extras(turn: Turn, one: Reply) -> JSON:
    """Give what comes with the end of a candidate, where it was asked for."""
    extras: JSON = {}
    if turn.config.get("responseLogprobs"):
        extras["avgLogprobs"] = -0.25
        extras["logprobsResult"] = _logprobs(one, turn.config.get("logprobs", 0))
    if any("googleSearch" in tool for tool in turn.body.get("tools", [])) and one.text:
        extras["groundingMetadata"] = _grounding(one.text)
    return extras


def _logprobs(one: Reply, most: int) -> JSON:
    chosen = [
        {"token": piece, "tokenId": 1000 + place, "logProbability": -0.25}
        for place, piece in enumerate(one.pieces)
    ]
    others = [{"token": "…", "tokenId": 7, "logProbability": -2.5 - rank} for rank in range(max(most - 1, 0))]
    top = [{"candidates": [token, *others]} for token in chosen] if most else []
    return {"chosenCandidates": chosen, "topCandidates": top}


def _grounding(text: str) -> JSON:
    """Ground the first line; the offsets count bytes."""
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


def _stamp(asked: Asked) -> JSON:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    model = asked.model if not asked.model.isdigit() else "gemini-2.5-flash"
    return {
        "modelVersion": model,
        "createTime": now,
        "responseId": asked.made_up("response", BASE62, 22),
    }


def _traffic(asked: Asked) -> str:
    return TRAFFIC.get(asked.headers.get(TRAFFIC_HEADER, ""), "ON_DEMAND")


def _blocked(asked: Asked) -> JSON:
    reason = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "The prompt could not be submitted."}
    return {"promptFeedback": reason, "usageMetadata": {"trafficType": _traffic(asked)}}


def _usage(turn: Turn) -> JSON:
    """Count. Zero fields are absent, as in all proto JSON."""
    spoken = sum(one.tokens for one in turn.replies)
    thought = sum(one.thought_tokens for one in turn.replies)
    cached = CACHED_TOKENS if turn.body.get("cachedContent") else 0
    sent = turn.prompt.tokens + cached
    counts = {
        "promptTokenCount": sent,
        "candidatesTokenCount": spoken,
        "totalTokenCount": sent + spoken + thought,
        "cachedContentTokenCount": cached,
        "thoughtsTokenCount": thought,
    }
    details: JSON = {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": sent}]}
    if spoken:
        details["candidatesTokensDetails"] = [{"modality": "TEXT", "tokenCount": spoken}]
    if cached:
        details["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": cached}]
    return (
        {name: number for name, number in counts.items() if number}
        | details
        | {"trafficType": _traffic(turn.asked)}
    )


def _prompt(asked: Asked, body: JSON, kind: Generation) -> Prompt:
    """Boil a request down to what the pretend model looks at."""
    config = body.get("generationConfig", {})
    contents = body["contents"]
    users = [content for content in contents if content["role"] == "user"]
    schema = config.get("responseSchema") or config.get("responseJsonSchema")
    tools, forced = _offered(body)
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
        fault=asked.fault,
    )


STEPS = re.compile(r"(\d+) steps")


def _results(contents: list[JSON], text: str) -> tuple[str, ...]:
    """Give what came of the last calls; nothing, and so another call, until the steps asked for are done."""
    steps = [_responses(content) for content in contents]
    start = max((place for place, content in enumerate(contents) if rules.asks(content)), default=0)
    done = sum(bool(step) for step in steps[start:])
    wanted = STEPS.search(text)
    return steps[-1] if not wanted or done >= int(wanted[1]) else ()


def _responses(content: JSON) -> tuple[str, ...]:
    return tuple(
        compact(part["functionResponse"].get("response", {}))
        for part in content["parts"]
        if "functionResponse" in part
    )


def _last_text(users: list[JSON]) -> str:
    for content in reversed(users):
        text = texts(part.get("text", "") for part in content["parts"])
        if text:
            return text
    return ""


def _offered(body: JSON) -> tuple[tuple[Tool, ...], bool]:
    """Give the functions that may be called, and whether one must."""
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    mode, allowed = calling.get("mode", "AUTO"), calling.get("allowedFunctionNames")
    declared = [one for tool in body.get("tools", []) for one in tool.get("functionDeclarations", [])]
    tools = tuple(
        Tool(one["name"], one.get("parameters") or one.get("parametersJsonSchema"))
        for one in declared
        if mode != "NONE" and (not allowed or one["name"] in allowed)
    )
    return tools, mode == "ANY"
