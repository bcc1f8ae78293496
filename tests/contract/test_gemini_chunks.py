"""The Gemini API's chunks for every recorded stream, judged by the types of Google's SDK."""

import json

import pytest
from google.genai import types
from helpers.fixtures import call_of, cases

from vertex_compat import errors, sse
from vertex_compat.operations.generate_content.generate_content import ChunkEncoder
from vertex_compat.operations.generate_content.output_contents import ContentChunks, whole_response
from vertex_compat.operations.generate_content.relay import ArrayFrames, EventFrames
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import Delta, Usage, parts_of


def parts_of_case(case):
    translate = PUBLISHERS[case.publisher].chat.stream(call_of(case))
    decoder = sse.Decoder()
    for event in [*decoder.feed(case.stream), *decoder.close()]:
        if event != b"[DONE]":
            yield from parts_of(translate(json.loads(event)))


def encoded(parts, frames):
    encoder = ChunkEncoder(ContentChunks("m", thoughts=True), frames)
    return b"".join([*(encoder.encode(0, part) for part in parts), encoder.finish()])


def chunks_of(parts):
    return json.loads(encoded(parts, ArrayFrames()))


def texts(chunks, *, thought):
    return "".join(
        part.get("text", "")
        for chunk in chunks
        for candidate in chunk["candidates"]
        for part in (candidate.get("content") or {}).get("parts", ())
        if bool(part.get("thought")) == thought and candidate.get("index", 0) == 0
    )


@cases("stream.sse")
def test_the_sdk_s_types_take_every_chunk(case):
    for chunk in chunks_of(parts_of_case(case)):
        types.GenerateContentResponse.model_validate(chunk)


@cases("stream.sse")
def test_the_finish_reason_comes_once_and_last(case):
    *others, last = chunks_of(parts_of_case(case))
    assert all(candidate["finishReason"] for candidate in last["candidates"])
    assert "usageMetadata" in last
    for chunk in others:
        assert not any("finishReason" in candidate for candidate in chunk["candidates"])


@cases("stream.sse")
def test_events_and_array_hold_the_same_chunks(case):
    parts = list(parts_of_case(case))
    decoder = sse.Decoder()
    events = [json.loads(event) for event in decoder.feed(encoded(parts, EventFrames()))]

    def anonymous(chunks):
        return [{name: value for name, value in chunk.items() if name != "responseId"} for chunk in chunks]

    assert anonymous(events) == anonymous(chunks_of(parts))


@cases("stream.sse")
def test_stream_and_whole_response_are_the_same(case):
    chunks = chunks_of(parts_of_case(case))
    whole = whole_response(json.loads(json.dumps(chunks)))
    types.GenerateContentResponse.model_validate(whole)
    assert texts([whole], thought=False) == texts(chunks, thought=False)
    assert texts([whole], thought=True) == texts(chunks, thought=True)
    assert whole["usageMetadata"] == chunks[-1]["usageMetadata"]


def test_cited_texts_are_counted_in_bytes():
    citation = {"url": "https://a.example", "title": "A", "start_index": 2, "end_index": 6}
    parts = [Delta(0, {"content": "雨。👩‍🚀"}), Delta(0, {"content": "Yes"}, "stop")]
    parts.append(Delta(0, {"annotations": [{"type": "url_citation", "url_citation": citation}]}))
    (support,) = chunks_of(parts)[-1]["candidates"][0]["groundingMetadata"]["groundingSupports"]
    segment = support["segment"]
    text = "雨。👩‍🚀Yes".encode()
    assert text[segment["startIndex"] : segment["endIndex"]].decode() == segment["text"] == "👩‍🚀Y"


def test_thoughts_are_counted_apart():
    usage = Usage(10, 7, {"cached_tokens": 4}, {"reasoning_tokens": 2})
    chunk = chunks_of([Delta(0, {"content": "x"}, "stop"), usage])[-1]
    assert chunk["usageMetadata"] == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 5,
        "totalTokenCount": 17,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 4,
    }


def test_a_stream_without_an_end_is_an_error():
    encoder = ChunkEncoder(ContentChunks("m", thoughts=False), ArrayFrames())
    encoder.encode(0, Delta(0, {"content": "Half"}))
    with pytest.raises(errors.UpstreamFault):
        encoder.finish()


def test_an_error_is_the_last_element_of_the_array():
    frames = ArrayFrames()
    stream = frames.chunk(b"{}") + frames.keepalive + frames.error(errors.Unavailable("Away."))
    assert json.loads(stream)[1]["error"] == {"code": 503, "message": "Away.", "status": "UNAVAILABLE"}
    assert json.loads(frames.keepalive + ArrayFrames().error(errors.Unavailable("Away.")))[0]["error"]
