"""Models with OpenAI's API but Mistral: models as a service, Jamba, and own endpoints."""

import pytest

HELLO = {"role": "user", "content": "Hello"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
USE_TOOL = {"messages": [{"role": "user", "content": "Use the tool in parallel"}], "tools": [TOOL]}
LLAMA = "meta/llama-4-maverick-17b-128e-instruct-maas"
QWEN = "qwen/qwen3-235b-a22b-instruct-2507-maas"
GROK = "xai/grok-4.1-fast-reasoning"
DEEPSEEK = "deepseek-ai/deepseek-v3.1-maas"


REFUSED = [
    (LLAMA, {"max_completion_tokens": 5}, "max_completion_tokens: Extra inputs"),
    (LLAMA, {"stop": None}, "stop: Input should be"),
    (LLAMA, {"service_tier": "auto"}, "service_tier: Extra inputs"),
    (LLAMA, {"messages": []}, "messages: List should have at least 1 item"),
    (LLAMA, {"messages": [HELLO | {"role": "developer"}]}, "Input tag 'developer'"),
    (QWEN, {"store": True}, "store: Extra inputs"),
    (QWEN, {"temperature": 3}, "temperature: Input should be less than or equal to 2"),
    (
        QWEN,
        {"messages": [HELLO, {"role": "tool", "content": "x", "tool_call_id": "a"}]},
        "No tool call has the id a",
    ),
    (QWEN, {"tool_choice": "required"}, "tool_choice needs tools"),
    (QWEN, {"messages": [HELLO, {"role": "assistant", "content": None}]}, "must have content or tool_calls"),
    (QWEN, {"response_format": {"type": "json_schema"}}, "response_format.json_schema is required"),
    (QWEN, {"chat_template_kwargs": []}, "chat_template_kwargs: Input should be a valid dictionary"),
    (QWEN, {"stream_options": {"include_usage": True}}, "Stream options can only be defined"),
    ("llama-3.3-70b-instruct-maas", {}, "publisher/model"),
]


@pytest.mark.parametrize(("model", "body", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_openapi_refuses_in_an_array_of_one(vertex, model, body, message):
    answer = vertex.openapi(model, **body)
    assert answer.status_code == 400
    [error] = answer.get_json()
    assert error["error"]["status"] == "INVALID_ARGUMENT"
    assert message in error["error"]["message"]


def test_unknown_publishers_and_models_are_not_found(vertex):
    for name in ("acme/model", "meta/nonexistent-maas"):
        answer = vertex.openapi(name)
        assert answer.status_code == 404
        assert answer.get_json()[0]["error"]["status"] == "NOT_FOUND"


def folded(read):
    """Put chunks together: text, reasoning and calls by choice, finish reasons, counts."""
    story, usage = {}, None
    for chunk in read:
        usage = chunk.get("usage", usage)
        for choice in chunk["choices"]:
            summary = story.setdefault(
                choice["index"], {"text": "", "reasoning": "", "calls": {}, "ends": []}
            )
            delta = choice["delta"]
            summary["text"] += delta.get("content") or ""
            summary["reasoning"] += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls", []):
                entry = summary["calls"].setdefault(call["index"], {"name": "", "arguments": ""})
                entry["name"] = entry["name"] or call["function"].get("name", "")
                entry["arguments"] += call["function"]["arguments"]
            summary["ends"] += [choice["finish_reason"]] if choice.get("finish_reason") else []
    return story, usage


def as_folded(whole):
    story = {}
    for choice in whole["choices"]:
        message = choice["message"]
        calls = [
            {"name": entry["function"]["name"], "arguments": entry["function"]["arguments"]}
            for entry in message.get("tool_calls", [])
        ]
        story[choice["index"]] = {
            "text": message["content"] or "",
            "reasoning": message.get("reasoning_content", ""),
            "calls": dict(enumerate(calls)),
            "ends": [choice["finish_reason"]],
        }
    return story, whole["usage"]


BODIES = [
    (LLAMA, {}),
    (LLAMA, {"max_tokens": 5}),
    (LLAMA, USE_TOOL),
    (QWEN, {"n": 3}),
    (QWEN, {"stop": "opinion"}),
    (QWEN, USE_TOOL),
    (QWEN, {"response_format": {"type": "json_object"}}),
    (GROK, {}),
    (DEEPSEEK, {}),
    (DEEPSEEK, USE_TOOL),
    ("moonshotai/kimi-k2-thinking-maas", USE_TOOL),
    ("qwen/qwen3-next-80b-a3b-thinking-maas", {}),
    ("google/gemini-3.8-flash", USE_TOOL),
    ("meta/emulator-refusal-maas", {}),
]


@pytest.mark.parametrize(("model", "body"), BODIES)
def test_a_stream_tells_the_same_story_as_the_whole_answer(vertex, chunks, model, body):
    read, done = chunks(vertex.openapi(model, stream=True, **body))
    assert folded(read) == as_folded(vertex.openapi(model, **body).get_json())
    assert done == (not model.startswith("meta/"))


def test_the_chunks_of_a_llama_stream_are_the_recorded_ones(vertex, chunks):
    read, done = chunks(vertex.openapi(stream=True))
    assert not done
    for chunk in read[:-1]:
        assert set(chunk) == {"choices", "model", "object"}
        assert set(chunk["choices"][0]) == {"delta", "index"}
        assert set(chunk["choices"][0]["delta"]) == {"content", "role"}
    assert read[-1]["choices"] == [
        {"delta": {"content": "", "role": "assistant"}, "finish_reason": "stop", "index": 0}
    ]
    assert set(read[-1]["usage"]) == {"completion_tokens", "prompt_tokens", "total_tokens"}
    assert vertex.openapi(stream=True).data.startswith(b'data: {"choices":[{"delta":{"content":')


def test_grok_counts_its_reasoning_beside_the_completion(vertex, chunks):
    read, _ = chunks(vertex.openapi(GROK, stream=True))
    usage = read[-1]["usage"]
    assert read[-1]["choices"] == []
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] + reasoning
    assert all("usage" not in chunk for chunk in read[:-1])


def test_deepseek_counts_its_reasoning_in_the_completion(vertex):
    usage = vertex.openapi(DEEPSEEK).get_json()["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_reasoning_can_be_absent(vertex):
    for model, body in (
        (DEEPSEEK, {"chat_template_kwargs": {"thinking": False}}),
        ("xai/grok-4.1-fast-non-reasoning", {}),
        (QWEN, {}),
    ):
        answer = vertex.openapi(model, **body).get_json()
        assert "reasoning_content" not in answer["choices"][0]["message"]


def test_gemini_repeats_names_and_ignores_unknown_fields(vertex, chunks):
    read, _ = chunks(
        vertex.openapi("google/gemini-3.8-flash", stream=True, store=True, user=None, **USE_TOOL)
    )
    calls = [
        call
        for chunk in read
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", [])
    ]
    assert all(call["id"].startswith("function-call-") for call in calls)
    assert all(call["function"]["name"] == "get_weather" for call in calls)


def test_kimi_names_its_calls_in_its_own_way(vertex):
    answer = vertex.openapi("moonshotai/kimi-k2-thinking-maas", **USE_TOOL).get_json()
    ids = [call["id"] for call in answer["choices"][0]["message"]["tool_calls"]]
    assert ids == ["functions.get_weather:0", "functions.get_weather:1"]


def test_tool_results_are_quoted(vertex):
    first = vertex.openapi(QWEN, **USE_TOOL).get_json()["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": f"{place} °C"}
        for place, call in enumerate(first["tool_calls"])
    ]
    body = USE_TOOL | {"messages": [*USE_TOOL["messages"], first, *results]}
    text = vertex.openapi(QWEN, **body).get_json()["choices"][0]["message"]["content"]
    assert "0 °C; 1 °C" in text


# Jamba


def test_jamba_answers_and_refuses(vertex):
    answer = vertex.jamba(max_tokens=5).get_json()
    assert answer["model"] == "jamba-1.5-large"
    assert answer["choices"][0]["finish_reason"] == "length"
    refusals = (
        {"seed": 1},
        {"max_tokens": 5000},
        {"n": 2, "temperature": 0},
        {"model": "jamba-1.5-large@001"},
        {"stop": None},
        {"stream_options": {}},
    )
    for body in refusals:
        assert vertex.jamba(**body).status_code == 422, body


def test_a_jamba_stream_is_done_when_it_says_so(vertex, chunks):
    read, done = chunks(vertex.jamba(stream=True))
    assert done
    assert folded(read) == as_folded(vertex.jamba().get_json())


# Endpoints of one's own


def test_vllm_counts_only_when_asked_to(vertex, chunks):
    quiet, done = chunks(vertex.endpoint(stream=True))
    assert done
    assert all("usage" not in chunk for chunk in quiet)
    counted, _ = chunks(vertex.endpoint(stream=True, stream_options={"include_usage": True}))
    assert counted[-1]["choices"] == []
    assert folded(counted) == as_folded(vertex.endpoint().get_json())


def test_vllm_refuses_in_its_own_words(vertex):
    for body in ({"prediction": {}}, {"messages": []}, {"temperature": -1}):
        answer = vertex.endpoint(**body)
        assert answer.status_code == 400
        assert answer.get_json()["type"] == "BadRequestError"


def test_raw_predict_hands_the_body_to_the_container(vertex):
    answer = vertex.post("/endpoints/12345:rawPredict", {"messages": [HELLO], "model": ""})
    assert answer.get_json()["object"] == "chat.completion"


def test_predictions_repeat_the_prompt_unless_raw(vertex):
    path = "/endpoints/12345:predict"
    instances = [
        {"prompt": "Say\nOutput:\nx", "max_tokens": 5},
        {"prompt": "Hi", "raw_response": True, "max_tokens": 50},
        {"prompt": "Hi", "n": 2},
    ]
    echoed, raw, several = vertex.post(path, {"instances": instances}).get_json()["predictions"]
    assert echoed.startswith("Prompt:\nSay\nOutput:\nx\nOutput:\n")
    assert raw.startswith("You said: Hi")
    assert len(several) == 2


def test_a_chat_instance_gets_one_object_as_the_prediction(vertex):
    path = "/endpoints/12345:predict"
    instance = {"@requestFormat": "chatCompletions", "messages": [HELLO], "max_tokens": 9}
    prediction = vertex.post(path, {"instances": [instance]}).get_json()["predictions"]
    assert prediction["choices"][0]["finish_reason"] == "length"
    broken = vertex.post(path, {"instances": [instance | {"messages": []}]})
    assert broken.status_code == 200
    assert broken.get_json()["predictions"]["object"] == "error"


def test_tgi_instances_are_understood(vertex):
    instance = {"inputs": "Hi", "parameters": {"max_new_tokens": 50}}
    answer = vertex.post("/endpoints/12345:predict", {"instances": [instance]}).get_json()
    assert answer["predictions"][0].startswith("You said: Hi")


def test_predict_refuses(vertex):
    path = "/endpoints/12345:predict"
    for body in ({}, {"instances": []}, {"instances": [{}]}, {"instances": [{"prompt": "x", "colour": 1}]}):
        answer = vertex.post(path, body)
        assert answer.status_code == 400
        assert answer.get_json()["error"]["status"] == "INVALID_ARGUMENT"
    assert "Unknown name" in vertex.post(path, {"instance": 1}).get_json()["error"]["message"]
    assert vertex.post("/endpoints/404404:predict", {"instances": [{"prompt": "x"}]}).status_code == 404
