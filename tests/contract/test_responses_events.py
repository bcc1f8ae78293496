"""The events of the Responses API: laws over every recorded stream, and its items."""

import json
from typing import Any

import pytest
from helpers.fixtures import call_of, cases, reply_to
from openai.types import responses as types
from pydantic import TypeAdapter

from vertex_compat import errors, sse
from vertex_compat.operations.opaque_state import decode_state
from vertex_compat.operations.responses import tools
from vertex_compat.operations.responses.input_items import ItemReader
from vertex_compat.operations.responses.output.response_builder import ResponseBuilder
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.types import CodeExecution, Delta, ToolCallDelta, Usage, only_text, parts_of

EVENT = TypeAdapter(types.ResponseStreamEvent)


def frozen(events):
    """Events as they are at the moment when they are written: the items in them go on growing."""
    return [json.loads(json.dumps(event)) for event in events]


def encoded_events(pieces, **options):
    """All events of an answer, and the response in its last state."""
    writer = ResponseBuilder({"model": "m", **options})
    events = frozen(writer.start())
    for piece in pieces:
        events += frozen(writer.add(0, piece))
    events += frozen(writer.finish())
    return events, writer.response


def data_of(event):
    """Return the data of an encoded event."""
    return event.removeprefix(b"event: response.output_text.delta\ndata: ").removesuffix(b"\n\n")


def continued(pieces, **params):
    """The same with `continue_text` for parts that only continue a text, and their number."""
    writer = ResponseBuilder({"model": "m", **params})
    events, short = frozen(writer.start()), 0
    for piece in pieces:
        text = only_text(piece)
        event = writer.continue_text(text) if text else None
        events += [json.loads(data_of(event))] if event else frozen(writer.add(0, piece))
        short += event is not None
    return [*events, *frozen(writer.finish())], short


MIXED = [
    Delta(0, {"reasoning_content": "r"}),
    Delta(0, {"content": "a"}),
    Delta(0, {"content": "b"}),
    Delta(0, {"content": "c", "refusal": "d"}),
    Delta(0, {"content": "e"}),
    Delta(0, {"content": "f"}, logprobs={"content": [], "refusal": None}),
    Delta(0, {"content": "g"}),
    Usage(1, 2),
    Delta(0, {"content": "```"}, code_execution=CodeExecution("1")),
    Delta(0, {"content": "h"}),
    Delta(
        0, {"annotations": [{"type": "url_citation", "url_citation": {"start_index": 9, "end_index": 12}}]}
    ),
    Delta(0, {"content": "i"}),
    Delta(0, {"content": "j"}, "stop"),
]


def without_ids(events, token):
    return json.loads(json.dumps(events).replace(token, "TOKEN"))


def test_continued_text_is_the_same_in_a_mixed_answer(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1)
    expected, response = encoded_events(MIXED)
    events, short = continued(MIXED)
    assert short == 3
    first, second = (stream[0]["response"]["id"].removeprefix("resp_") for stream in (expected, events))
    assert without_ids(events, second) == without_ids(expected, first)
    assert response["output"]


@cases("stream.sse")
def test_continued_text_is_the_same_in_a_recorded_answer(case, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1)
    pieces = list(pieces_of(case))
    expected, _ = encoded_events(pieces)
    events, _ = continued(pieces)
    first, second = (stream[0]["response"]["id"].removeprefix("resp_") for stream in (expected, events))
    assert without_ids(events, second) == without_ids(expected, first)


def pieces_of(case):
    feed = PUBLISHERS[case.publisher].chat.stream(call_of(case))
    decoder = sse.Decoder()
    for event in [*decoder.feed(case.stream), *decoder.close()]:
        if event != b"[DONE]":
            yield from parts_of(feed(json.loads(event)))


def grown(events):
    """The output that a client makes of the events, by OpenAI's rules and none of our code."""
    output = []
    for event in events:
        match event["type"].removeprefix("response."):
            case "output_item.added":
                assert event["output_index"] == len(output)
                output.append(json.loads(json.dumps(event["item"])))
            case "content_part.added":
                content = output[event["output_index"]]["content"]
                assert event["content_index"] == len(content)
                content.append(json.loads(json.dumps(event["part"])))
            case "reasoning_summary_part.added":
                output[event["output_index"]]["summary"].append(dict(event["part"]))
            case "output_text.delta":
                part = output[event["output_index"]]["content"][event["content_index"]]
                part["text"] += event["delta"]
                part["logprobs"] += event["logprobs"]
            case "refusal.delta":
                output[event["output_index"]]["content"][event["content_index"]]["refusal"] += event["delta"]
            case "output_text.annotation.added":
                part = output[event["output_index"]]["content"][event["content_index"]]
                part["annotations"].append(event["annotation"])
            case "reasoning_summary_text.delta":
                output[event["output_index"]]["summary"][event["summary_index"]]["text"] += event["delta"]
            case "function_call_arguments.delta":
                output[event["output_index"]]["arguments"] += event["delta"]
            case "custom_tool_call_input.delta":
                output[event["output_index"]]["input"] += event["delta"]
            case "code_interpreter_call_code.delta":
                output[event["output_index"]]["code"] += event["delta"]
    return output


def check_laws(events, response):
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] == f"response.{response['status']}"
    for event in events:
        EVENT.validate_python(event, strict=True)
    types.Response.model_validate(response, strict=True)
    done = {e["output_index"]: e["item"] for e in events if e["type"] == "response.output_item.done"}
    assert [done[index] for index in sorted(done)] == response["output"]
    assert all(item["status"] == "completed" for item in response["output"])
    for built, item in zip(grown(events), response["output"], strict=True):
        picture = {"result", "output_format", "extra_content"}
        said_at_the_end = {"status", "encrypted_content", "outputs", *picture}
        assert {k: v for k, v in built.items() if k not in said_at_the_end} == {
            k: v for k, v in item.items() if k not in said_at_the_end
        }
    texts = [e for e in events if e["type"] == "response.output_text.done"]
    for event in texts:
        assert (
            response["output"][event["output_index"]]["content"][event["content_index"]]["text"]
            == event["text"]
        )


@cases("stream.sse")
def test_every_stream_keeps_the_laws(case):
    check_laws(*encoded_events(pieces_of(case)))


@cases("stream.sse")
def test_responses_have_the_content_of_chat(case):
    _, response = encoded_events(pieces_of(case))
    chat = (
        reply_to(case.question(), [case.path("reply.json").read_bytes()]) if case.has("reply.json") else None
    )
    if chat is None or len(chat["choices"]) > 1:
        pytest.skip("nothing to compare with")
    message = chat["choices"][0]["message"]
    texts = [
        p["text"] for i in response["output"] if i["type"] == "message" for p in i["content"] if "text" in p
    ]
    ran_code = any(item["type"] == "code_interpreter_call" for item in response["output"])
    assert ran_code or "".join(texts) == (message["content"] or "")
    thoughts = [p["text"] for i in response["output"] if i["type"] == "reasoning" for p in i["summary"]]
    assert "".join(thoughts) == message.get("reasoning_content", "")
    assert response["usage"]["total_tokens"] == chat["usage"]["total_tokens"]


def code(**fields):
    """A delta with code that Google ran, or its output, which chat shows as text."""
    text = fields.get("code") or fields.get("output")
    return Delta(0, {"content": f"[{text}]"}, code_execution=CodeExecution(**fields))


def test_code_that_google_ran_is_an_item_with_its_output():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    citation = {"type": "url_citation", "url_citation": {"url": "https://a.example/", "title": "A"}}
    before = len("Let me see.[print(6*7)][42][1/0][ZeroDivisionError]")
    citation["url_citation"] |= {"start_index": before + 3, "end_index": before + 5}
    events, response = encoded_events(
        [
            Delta(0, {"content": "Let me see."}),
            code(code="print(6*7)"),
            code(output="42"),
            Delta(0, {"images": [image]}),
            code(code="1/0"),
            code(output="ZeroDivisionError", failed=True),
            Delta(0, {"content": "It is 42."}),
            Delta(0, {"annotations": [citation]}, "stop"),
        ]
    )
    assert [item["type"] for item in response["output"]] == [
        "message",
        "code_interpreter_call",
        "code_interpreter_call",
        "message",
    ]
    first, second = response["output"][1:3]
    assert (first["code"], first["status"]) == ("print(6*7)", "completed")
    assert first["outputs"] == [
        {"type": "logs", "logs": "42"},
        {"type": "image", "url": "data:image/png;base64,AAAA"},
    ]
    assert (second["status"], second["outputs"][0]["logs"]) == ("failed", "ZeroDivisionError")
    assert [
        event["type"].removeprefix("response.code_interpreter_call")
        for event in events
        if "code_int" in event["type"]
    ] == 2 * [
        ".in_progress",
        "_code.delta",
        "_code.done",
        ".interpreting",
        ".completed",
    ]
    text = response["output"][3]["content"][0]
    assert text["text"] == "It is 42."
    assert text["annotations"][0]["start_index"] == 3
    for event in events:
        EVENT.validate_python(event, strict=True)


def test_citations_count_from_their_text():
    url = {"url": "https://a.example/", "title": "A", "start_index": 8, "end_index": 12}
    _, response = encoded_events(
        [
            Delta(0, {"content": "One. "}),
            Delta(0, {"reasoning_content": "Hm."}),
            Delta(0, {"content": "It is so."}),
            Delta(0, {"annotations": [{"type": "url_citation", "url_citation": url}]}, "stop"),
        ]
    )
    (annotation,) = response["output"][2]["content"][0]["annotations"]
    assert (annotation["start_index"], annotation["end_index"]) == (3, 7)


def test_image_item_is_accepted_back_with_its_signature():
    signed = {"google": {"thought_signature": "c2ln"}}
    image = {
        "type": "image_url",
        "image_url": {"url": "data:image/jpeg;base64,AAAA"},
        "index": 0,
        "extra_content": signed,
    }
    events, response = encoded_events(
        [Delta(0, {"content": "Here: "}), Delta(0, {"images": [image]}, "stop")]
    )
    check_laws(events, response)
    message, picture = response["output"]
    assert (picture["type"], picture["result"], picture["output_format"]) == (
        "image_generation_call",
        "AAAA",
        "jpeg",
    )
    assert [e["type"] for e in events if "image" in e["type"]] == [
        f"response.image_generation_call.{step}" for step in ("in_progress", "generating", "completed")
    ]
    reader = ItemReader(tools.read({}))
    for item in (message, picture):
        reader.read(item, "input[0]")
    reader.finish()
    (turn,) = reader.messages
    assert turn["images"] == [{name: image[name] for name in ("type", "image_url", "extra_content")}]


def tool(index, **fields):
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    call: Any = {"index": index, **fields, "function": function}
    return Delta(0, {"tool_calls": [call]})


def test_turn_with_all_kinds_becomes_items_in_order():
    events, response = encoded_events(
        [
            Delta(0, {"reasoning_content": "Hm"}),
            Delta(
                0, {"reasoning_content": "m.", "thinking_blocks": [{"type": "thinking", "signature": "s"}]}
            ),
            Delta(0, {"content": "Let me "}),
            Delta(0, {"content": "look."}),
            tool(0, id="call_a", type="function", name="look", arguments=""),
            tool(0, arguments='{"at":'),
            tool(1, id="call_b", type="function", name="look", arguments='{"at":2}'),
            tool(0, arguments="1}"),
            Delta(0, {}, "tool_calls"),
            Usage(3, 4, {"cached_tokens": 1}, {"reasoning_tokens": 2}),
        ]
    )
    check_laws(events, response)
    kinds = [item["type"] for item in response["output"]]
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    assert response["output"][0]["summary"] == [{"type": "summary_text", "text": "Hmm."}]
    assert decode_state(response["output"][0]["encrypted_content"]) == {
        "thinking_blocks": [{"type": "thinking", "signature": "s"}]
    }
    assert [item["arguments"] for item in response["output"][2:]] == ['{"at":1}', '{"at":2}']
    assert response["usage"]["input_tokens_details"]["cached_tokens"] == 1
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] == 2


def test_a_signature_that_comes_last_has_an_item_of_its_own():
    signed = {"google": {"thought_signature": "c2ln"}}
    _, response = encoded_events(
        [Delta(0, {"content": "Yes."}), Delta(0, {"extra_content": signed}), Delta(0, {}, "stop")]
    )
    assert [item["type"] for item in response["output"]] == ["message", "reasoning"]
    assert decode_state(response["output"][1]["encrypted_content"]) == {"extra_content": signed}


def test_a_custom_tool_gets_its_text_and_not_json():
    events, response = encoded_events(
        [
            tool(0, id="call_a", type="function", name="patch", arguments='{"input":'),
            tool(0, arguments='"*** Begin"}'),
            Delta(0, {}, "tool_calls"),
        ],
        tools=[{"type": "custom", "name": "patch"}],
    )
    check_laws(events, response)
    (call,) = response["output"]
    assert (call["type"], call["input"]) == ("custom_tool_call", "*** Begin")


def test_a_refusal_is_a_part_of_the_message():
    events, response = encoded_events([Delta(0, {"refusal": "No."}, "content_filter")])
    check_laws(events, response)
    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert response["incomplete_details"] == {"reason": "content_filter"}


def test_a_citation_belongs_to_the_text_before_it():
    cited = {"url": "https://example.com", "title": "Example", "start_index": 0, "end_index": 3}
    events, response = encoded_events(
        [
            Delta(0, {"content": "Yes"}),
            Delta(0, {"annotations": [{"type": "url_citation", "url_citation": cited}]}),
            Delta(0, {}, "stop"),
        ]
    )
    check_laws(events, response)
    assert response["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", **cited}]


def test_a_model_that_had_not_finished_is_a_fault():
    writer = ResponseBuilder({"model": "m"})
    list(writer.add(0, Delta(0, {"content": "Once"})))
    with pytest.raises(errors.UpstreamFault):
        list(writer.finish())


def test_failure_in_mid_stream_is_failed_response():
    writer = ResponseBuilder({"model": "m"})
    events = frozen(writer.start()) + frozen(writer.add(0, Delta(0, {"content": "Once"})))
    events += frozen(writer.failed(errors.RateLimited("Slow down.")))
    for event in events:
        EVENT.validate_python(event, strict=True)
    assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
    assert events[-1]["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Slow down."}
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Once"


def test_failed_response_has_the_arguments_so_far():
    writer = ResponseBuilder({"model": "m"})
    call: ToolCallDelta = {"index": 0, "id": "call_1", "function": {"name": "look", "arguments": '{"at":'}}
    list(writer.add(0, Delta(0, {"tool_calls": [call]})))
    *_, event = frozen(writer.failed(errors.RateLimited("Slow down.")))
    assert event["response"]["output"][0]["arguments"] == '{"at":'


def test_a_tool_in_a_namespace_is_called_by_both_names():
    inner = {"type": "function", "name": "spawn", "parameters": {"type": "object", "properties": {}}}
    events, response = encoded_events(
        [
            tool(0, id="call_a", type="function", name="agents__spawn", arguments="{}"),
            Delta(0, {}, "tool_calls"),
        ],
        tools=[{"type": "namespace", "name": "agents", "description": "Agents", "tools": [inner]}],
    )
    check_laws(events, response)
    (call,) = response["output"]
    assert (call["namespace"], call["name"]) == ("agents", "spawn")


def test_a_search_of_google_s_is_an_item():
    grounding = {
        "webSearchQueries": ["who won", "final 2026"],
        "groundingChunks": [{"web": {"uri": "https://example.com", "title": "Example"}}],
    }
    events, response = encoded_events(
        [
            Delta(0, {"content": "They did."}),
            Delta(0, {"vertex_ai_grounding_metadata": [grounding]}),
            Delta(0, {"content": " Really."}),
            Delta(0, {}, "stop"),
        ]
    )
    check_laws(events, response)
    message, search = response["output"]
    assert message["content"][0]["text"] == "They did. Really."
    assert search["action"]["queries"] == ["who won", "final 2026"]
    assert search["action"]["sources"] == [{"type": "url", "url": "https://example.com"}]
