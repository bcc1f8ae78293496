"""Gemini's responses, and the client's answers to them."""

import base64
import io
import json
import wave

import pytest
from helpers.fixtures import events_of, post, question
from helpers.gemini import CURRENT, HELLO, chunk, deltas, function, message, usage

from vertex_compat import errors
from vertex_compat.publishers.google import finish_reasons
from vertex_compat.publishers.google.chat import response, signatures
from vertex_compat.types import UpstreamCall, Usage, parts_of

CALL = {"functionCall": {"name": "f", "args": {"a": 1}}}
TEXT = {"text": "Hi"}


# Why it ended


@pytest.mark.parametrize(
    ("gemini_reason", "finish_reason"), [*finish_reasons.FINISH.items(), ("OF_TOMORROW", "stop")]
)
def test_every_finish_reason_is_mapped_to_one_of_openai_s(gemini_reason, finish_reason):
    assert message(chunk(TEXT, finishReason=gemini_reason))[1] == finish_reason
    assert message(chunk(TEXT), chunk(finishReason=gemini_reason))[1] == finish_reason


@pytest.mark.parametrize("gemini_reason", finish_reasons.FINISH)
def test_calls_are_the_reason_if_the_answer_was_not_cut(gemini_reason):
    finish_reason = finish_reasons.FINISH[gemini_reason]
    assert message(chunk(CALL, finishReason=gemini_reason))[1] == (
        "tool_calls" if finish_reason == "stop" else finish_reason
    )
    assert message(chunk(CALL), chunk(finishReason=gemini_reason))[1] == (
        "tool_calls" if finish_reason == "stop" else finish_reason
    )


def test_a_call_of_one_candidate_is_no_reason_for_another():
    events = [
        chunk(CALL),
        chunk(TEXT, index=1),
        chunk(finishReason="STOP", index=1),
        chunk(finishReason="STOP"),
    ]
    assert [message(*events, choice=choice)[1] for choice in (0, 1)] == ["tool_calls", "stop"]
    assert "tool_calls" not in message(*events, choice=1)[0]


@pytest.mark.parametrize("reason", finish_reasons.UNUSABLE)
def test_an_answer_that_cannot_be_read_is_an_error(reason):
    with pytest.raises(errors.InvalidModelResponse) as caught:
        message(chunk(finishReason=reason, finishMessage="Malformed call: f("))
    assert caught.value.code == reason.lower()
    assert "Malformed call: f(" in caught.value.message


def test_a_blocked_prompt():
    event = {
        "promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [{"category": "x", "blocked": True}]}
    }
    answer, reason = message(event)
    assert reason == "content_filter"
    assert answer["refusal"] == "The prompt was blocked: SAFETY."
    assert answer["safety_ratings"] == [{"category": "x", "blocked": True}]


@pytest.mark.parametrize(
    "candidate",
    [{}, {"content": {}}, {"content": {"role": "model"}}, {"content": None}, {"content": {"parts": [{}]}}],
)
def test_a_candidate_without_anything(candidate):
    assert message({"candidates": [candidate | {"finishReason": "MAX_TOKENS"}]}) == (
        {"role": "assistant", "content": "", "refusal": None},
        "length",
    )


def test_why_it_was_filtered():
    assert message(chunk(TEXT, finishReason="SAFETY", finishMessage="Unsafe."))[0]["refusal"] == "Unsafe."


# Calls


def test_a_call_in_a_stream():
    (first,), (two,) = [
        delta.fields["tool_calls"] for delta in deltas(chunk(CALL), chunk({"functionCall": {"name": "g"}}))
    ]
    assert first == {
        "index": 0,
        "id": first["id"],
        "type": "function",
        "function": {"name": "f", "arguments": '{"a":1}'},
    }
    assert two["index"] == 1
    assert two["function"] == {"name": "g", "arguments": "{}"}
    assert first["id"] != two["id"]


def test_ids_are_those_of_the_answer():
    def identity(event):
        return deltas(event)[0].fields["tool_calls"][0]["id"]

    assert identity(chunk(CALL)) == identity(chunk(CALL))
    assert identity(chunk(CALL)) != identity(chunk(CALL) | {"responseId": "another"})
    assert identity({"candidates": chunk(CALL)["candidates"]}) != identity(
        {"candidates": chunk(CALL)["candidates"]}
    )


def test_the_client_s_names_come_back():
    call = UpstreamCall("p", {}, tool_names={"f": "the client's"})
    assert (
        message(chunk(CALL, finishReason="STOP"), call=call)[0]["tool_calls"][0]["function"]["name"]
        == "the client's"
    )


def test_marks_of_a_call():
    part = {"functionCall": {"id": "abc", "name": "f"}, "thoughtSignature": "AA+/"}
    (call,) = message(chunk(part))[0]["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": "AA+/"}}
    assert signatures.of_call(call["id"], {}) == ("abc", "AA+/")


def test_the_signature_of_a_text_comes_once_and_last():
    events = [
        chunk({"text": "A", "thoughtSignature": "AAAA"}),
        chunk({"text": "", "thoughtSignature": "BBBB"}, finishReason="STOP"),
    ]
    extra_contents = [
        delta.fields["extra_content"] for delta in deltas(*events) if "extra_content" in delta.fields
    ]
    assert extra_contents == [{"google": {"thought_signature": "BBBB"}}]


# Texts and thoughts


def test_thoughts_are_reasoning():
    answer, _ = message(
        chunk({"text": "Hm", "thought": True}, {"text": "Yes"}), chunk({"text": ".", "thought": True})
    )
    assert (answer["reasoning_content"], answer["content"]) == ("Hm.", "Yes")


def test_code_and_its_output_are_in_the_content():
    run = {"executableCode": {"language": "PYTHON", "code": "print(1)\n"}}
    done, failed = (
        {"codeExecutionResult": {"outcome": outcome, "output": "1\n"}}
        for outcome in ("OUTCOME_OK", "OUTCOME_FAILED")
    )
    assert (
        message(chunk(run, done, failed))[0]["content"]
        == "\n```python\nprint(1)\n```\n\n```output\n1\n```\n\n```error\n1\n```\n"
    )


def test_images():
    image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    linked = {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a.png"}}
    sketch = image | {"thought": True}
    answer, _ = message(chunk(TEXT, image), chunk(sketch, linked))
    assert answer["images"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "index": 0},
        {"type": "image_url", "image_url": {"url": "gs://b/a.png"}, "index": 1},
    ]


# Sound

SAMPLES = bytes(range(250)) * 4


def audio_chunks(*sizes, mime="audio/L16;codec=pcm;rate=16000"):
    samples = memoryview(SAMPLES)
    for size in sizes:
        yield chunk({"inlineData": {"mimeType": mime, "data": base64.b64encode(samples[:size]).decode()}})
        samples = samples[size:]
    yield chunk(finishReason="STOP")


def test_sound_as_a_file():
    answer, _ = message(*audio_chunks(1000), call=UpstreamCall("p", {}, audio_format="wav"))
    with wave.open(io.BytesIO(base64.b64decode(answer["audio"]["data"]))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        assert file.readframes(9999) == SAMPLES
    assert answer["audio"]["id"].startswith("audio_")
    assert answer["audio"]["transcript"] == ""


@pytest.mark.parametrize("sizes", [(1000,), (1, 1, 998), (500, 500), (7, 0, 993)])
def test_sound_as_samples_in_any_pieces(sizes):
    call = UpstreamCall("p", {}, audio_format="pcm16")
    answer, _ = message(*audio_chunks(*sizes), call=call)
    assert base64.b64decode(answer["audio"]["data"]) == SAMPLES
    audio_deltas = [
        delta.fields["audio"] for delta in deltas(*audio_chunks(*sizes), call=call) if "audio" in delta.fields
    ]
    assert b"".join(base64.b64decode(fields.get("data", "")) for fields in audio_deltas) == SAMPLES
    assert sum("id" in fields for fields in audio_deltas) == 1


def test_no_sound():
    assert (
        "audio"
        not in message(chunk(TEXT, finishReason="STOP"), call=UpstreamCall("p", {}, audio_format="wav"))[0]
    )


# Sources


def grounded(*supports, sources=("https://a.example/", "https://b.example/")):
    chunks = [{"web": {"uri": uri, "title": uri[8]}} for uri in sources]
    return {"groundingChunks": chunks, "groundingSupports": list(supports), "webSearchQueries": ["q"]}


def support(*indices, **segment):
    return {"segment": segment, "groundingChunkIndices": list(indices)}


def spans(*events):
    answer, _ = message(*events, chunk(finishReason="STOP"))
    return [
        (answer["content"][cited["start_index"] : cited["end_index"]], cited["title"])
        for cited in (annotation["url_citation"] for annotation in answer.get("annotations", []))
    ]


WORDS = "Größe 👩‍🚀 ok. Zweite."
FIRST, SECOND = "Größe 👩‍🚀 ok.", "Zweite."
BYTES = len(FIRST.encode())


def test_sources_have_character_offsets_and_are_complete():
    metadata = grounded(
        support(0, 1, endIndex=BYTES), support(1, startIndex=BYTES + 1, endIndex=len(WORDS.encode()))
    )
    expected = [(FIRST, "a"), (FIRST, "b"), (SECOND, "b")]
    assert spans(chunk({"text": WORDS}, groundingMetadata=metadata)) == expected
    assert spans(*[chunk({"text": word}) for word in WORDS], chunk(groundingMetadata=metadata)) == expected
    assert spans(chunk(groundingMetadata=metadata), *[chunk({"text": word}) for word in WORDS]) == expected


def test_a_segment_of_a_later_part():
    metadata = grounded(support(0, partIndex=2, endIndex=len(SECOND), text=SECOND))
    assert spans(
        chunk({"text": "Hm", "thought": True}, {"text": FIRST}, {"text": SECOND}, groundingMetadata=metadata)
    ) == [(SECOND, "a")]


def test_a_segment_whose_numbers_are_off_is_found_by_its_text():
    assert spans(
        chunk({"text": WORDS}, groundingMetadata=grounded(support(0, startIndex=3, endIndex=9, text=SECOND)))
    ) == [(SECOND, "a")]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"webSearchQueries": ["q"]},
        grounded(support(7)),
        grounded({"groundingChunkIndices": [0]}),
        grounded({}),
        grounded(support(0, startIndex=999, endIndex=9999)),
    ],
)
def test_sources_with_gaps(metadata):
    answer, _ = message(chunk(TEXT, groundingMetadata=metadata, finishReason="STOP"))
    assert answer.get("vertex_ai_grounding_metadata", [{}]) == [metadata]


def test_repeated_fields_are_sent_once():
    metadata = grounded(support(0, endIndex=2))
    answer, _ = message(
        chunk(TEXT, groundingMetadata=metadata), chunk(groundingMetadata=metadata, finishReason="STOP")
    )
    assert len(answer["annotations"]) == 1


def test_documents_and_maps_are_sources():
    chunks = [
        {"retrievedContext": {"uri": "gs://b/a.pdf", "title": "A"}},
        {"maps": {"uri": "https://maps/x"}},
    ]
    metadata = {"groundingChunks": chunks, "groundingSupports": [support(0, 1, endIndex=2)]}
    assert spans(chunk(TEXT, groundingMetadata=metadata)) == [("Hi", "A"), ("Hi", "https://maps/x")]


def test_other_fields_of_an_answer_are_passed_on():
    urls = {"urlMetadata": [{"retrievedUrl": "https://e.com"}]}
    citations = [{"startIndex": 1, "endIndex": 2, "uri": "https://e.com"}]
    ratings = [{"category": "x", "probability": "LOW"}]
    events = [
        chunk(TEXT, safetyRatings=ratings),
        chunk(citationMetadata={"citations": citations}),
        chunk(urlContextMetadata=urls, finishReason="STOP"),
    ]
    answer, _ = message(*events)
    assert (answer["safety_ratings"], answer["citations"], answer["url_context_metadata"]) == (
        ratings,
        citations,
        urls,
    )


def test_fields_after_the_finish_reason_are_sent():
    answer, _ = message(
        chunk(TEXT, finishReason="STOP"), chunk(groundingMetadata=grounded(support(0, endIndex=2)))
    )
    assert answer["annotations"]


# Counts and probabilities


def test_counts():
    counted = usage(
        promptTokenCount=10,
        toolUsePromptTokenCount=3,
        candidatesTokenCount=5,
        thoughtsTokenCount=7,
        cachedContentTokenCount=4,
        totalTokenCount=25,
        promptTokensDetails=[{"modality": "TEXT", "tokenCount": 6}, {"modality": "IMAGE", "tokenCount": 4}],
        candidatesTokensDetails=[{"modality": "AUDIO", "tokenCount": 5}],
    )
    assert counted.prompt + counted.completion == 25
    assert counted.prompt_details == {"cached_tokens": 4, "image_tokens": 4}
    assert counted.completion_details == {"reasoning_tokens": 7, "audio_tokens": 5}


def test_counts_that_are_none_are_none():
    assert not deltas({"usageMetadata": {"trafficType": "ON_DEMAND"}})


# Through the front door


def script(emulator, *events, **options):
    emulator.script([b"data: %b\r\n\r\n" % json.dumps(event).encode() for event in events], **options)


def whole(emulator, event):
    emulator.script(json.dumps(event).encode())


BROKEN = chunk(finishReason="MALFORMED_FUNCTION_CALL")
FINE = chunk(TEXT, finishReason="STOP")


def test_malformed_answer_is_retried_once(app, emulator):
    whole(emulator, BROKEN)
    whole(emulator, FINE)
    assert post(app, question("google")).json["choices"][0]["message"]["content"] == "Hi"
    whole(emulator, BROKEN)
    whole(emulator, BROKEN)
    failed = post(app, question("google"))
    assert failed.status_code == 502
    assert failed.json["error"]["code"] == "malformed_function_call"


def test_broken_stream_is_retried_once_before_output(app, emulator):
    script(emulator, BROKEN)
    script(emulator, FINE)
    *chunks, _ = events_of(post(app, question("google", stream=True)).get_data())
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "Hi"},
        {},
    ]
    script(emulator, BROKEN)
    script(emulator, BROKEN)
    assert post(app, question("google", stream=True)).status_code == 502


def test_a_stream_that_breaks_ends_with_an_error(app, emulator):
    script(emulator, chunk(TEXT), BROKEN, pause=0.1)
    *chunks, failed = events_of(post(app, question("google", stream=True)).get_data())
    assert chunks
    assert failed["error"]["code"] == "malformed_function_call"
    assert len(emulator.calls) == 1


SHAPE = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
CHECKED = {"response_format": {"type": "json_object", "response_schema": SHAPE, "enforce_validation": True}}


@pytest.mark.parametrize("message", ['{"a": 1}', '{"a": "x"}', "{}", "not JSON", ""])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "checked",
    [
        CHECKED,
        {"response_format": {"type": "json_object", "response_schema": SHAPE}, "enforce_validation": True},
    ],
)
def test_an_answer_is_held_to_its_schema(app, emulator, message, stream, checked):
    event = chunk({"text": message}, finishReason="STOP")
    (script if stream else whole)(emulator, event)
    answer = post(app, question("google", stream=stream, **checked))
    last = events_of(answer.get_data())[-1] if stream else answer.json
    if message == '{"a": 1}':
        assert last == "[DONE]" if stream else last["choices"][0]["message"]["content"] == message
        return
    assert last["error"]["code"] == "json_schema_validation_error"
    assert last["error"]["raw_response"] == message
    assert stream or answer.status_code == 502


def test_a_call_is_not_held_to_the_schema_of_the_answer(app, emulator):
    whole(emulator, chunk(CALL, finishReason="STOP"))
    assert post(app, question("google", **CHECKED, tools=[function("f")])).status_code == 200


@pytest.mark.parametrize("schema", [{"type": "thing"}, {"$ref": "https://e.com/schema"}])
def test_a_schema_that_cannot_be_checked_is_the_client_s_fault(app, emulator, schema):
    whole(emulator, chunk({"text": "{}"}, finishReason="STOP"))
    shape = {"type": "json_object", "response_schema": schema, "enforce_validation": True}
    failed = post(app, question("google", response_format=shape))
    assert failed.status_code == 400
    assert failed.json["error"]["param"] == "response_format"


def test_pattern_of_a_schema_costs_linear_time(app, emulator):
    whole(emulator, chunk({"text": f'"{"a" * 100_000}!"'}, finishReason="STOP"))
    shape = {"type": "string", "pattern": "^(a+)+$"}  # exponential for an engine that backtracks
    checked = {"type": "json_object", "response_schema": shape, "enforce_validation": True}
    answer = post(app, question("google", response_format=checked))
    assert answer.json["error"]["code"] == "json_schema_validation_error"


@pytest.mark.parametrize("stream", [False, True])
def test_one_call_at_most_where_the_client_wants_one(app, emulator, stream):
    (script if stream else whole)(emulator, chunk(CALL, CALL, finishReason="STOP"))
    answer = post(app, question("google", stream=stream, parallel_tool_calls=False, tools=[function("f")]))
    if stream:
        calls = [
            call
            for event in events_of(answer.get_data())[:-1]
            for call in event["choices"][0]["delta"].get("tool_calls", [])
        ]
    else:
        calls = answer.json["choices"][0]["message"]["tool_calls"]
    assert len(calls) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_the_older_functions_are_answered_in_their_form(app, emulator, stream):
    (script if stream else whole)(emulator, chunk(CALL, finishReason="STOP"))
    answer = post(app, question("google", stream=stream, functions=[{"name": "f"}]))
    if stream:
        first, called, last, _ = events_of(answer.get_data())
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": None}
        assert called["choices"][0]["delta"] == {"function_call": {"name": "f", "arguments": '{"a":1}'}}
        assert last["choices"][0]["finish_reason"] == "function_call"
        return
    (choice,) = answer.json["choices"]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert choice["message"]["content"] is None
    assert "tool_calls" not in choice["message"]


def test_a_search_through_openai_s_client(plain):
    params = {
        "model": CURRENT,
        "messages": [{"role": "user", "content": "Wer war 👩‍🚀?"}],
        "web_search_options": {},
    }
    answer = plain.chat.completions.create(**params).choices[0].message
    (cited,) = answer.annotations
    span = answer.content[cited.url_citation.start_index : cited.url_citation.end_index]
    assert span == answer.content.split("\n")[0]
    assert answer.vertex_ai_grounding_metadata[0]["webSearchQueries"] == ["emulated search"]
    with plain.chat.completions.stream(**params) as stream:
        streamed = stream.get_final_completion().choices[0].message
    assert [
        annotation.model_dump() if hasattr(annotation, "model_dump") else annotation
        for annotation in streamed.annotations
    ] == [cited.model_dump()]


def test_an_image_through_openai_s_client(plain):
    params = {"model": "gemini-3.1-flash-image", "messages": HELLO, "modalities": ["text", "image"]}
    (image,) = plain.chat.completions.create(**params).choices[0].message.images
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    with plain.chat.completions.stream(**params) as stream:
        assert stream.get_final_completion().choices[0].message.images == [image]


def test_thoughts_of_gemini_2_5_through_openai_s_client(plain):
    for effort, thinks in (("low", True), ("none", False)):
        answer = plain.chat.completions.create(
            model="gemini-2.5-flash", messages=HELLO, reasoning_effort=effort
        )
        assert hasattr(answer.choices[0].message, "reasoning_content") == thinks
        assert bool(answer.usage.completion_tokens_details.reasoning_tokens) == thinks
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_counts_beside_text_are_read():
    feed = response.stream(UpstreamCall("p", {}))
    part = {"content": {"role": "model", "parts": [{"text": "a"}]}, "index": 0}
    usages = [
        list(parts_of(feed({"candidates": [part], "usageMetadata": counts})))
        for counts in (
            {},
            {"promptTokenCount": 3},
            {"totalTokenCount": 4},
            {"trafficType": "ON_DEMAND"},
            None,
        )
    ]
    assert [[isinstance(piece, Usage) for piece in pieces] for pieces in usages] == [
        [False],
        [False, True],
        [False, True],
        [False],
        [False],
    ]
    assert not list(feed({"candidates": [{"content": None, "index": 0}], "usageMetadata": None}))
