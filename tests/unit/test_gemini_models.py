"""Differences between Gemini's models: turns, sampling, thinking, limits, signatures."""

import pytest
from helpers.fixtures import upstream_calls
from helpers.gemini import HELLO, call, called, function, result, user

from vertex_compat.publishers.google.chat import signatures
from vertex_compat.publishers.google.chat.signatures import CallMarks

POEM = [{"role": "user", "content": "write a poem"}, {"role": "assistant", "content": "Roses are"}]
PNG = "data:image/png;base64,iVBORw0KGgo="
SKIP = {"thoughtSignature": signatures.SKIP}


def config(model, **params):
    return call(model, **params).body.get("generationConfig", {})


# Turns


@pytest.mark.parametrize(
    "model", ["gemini-3.5-flash-lite", "gemini-3.6-flash", "gemini-3.8-flash", "gemini-4-argon"]
)
def test_contents_end_with_a_user_turn(model):
    *_, last = call(model, messages=POEM).body["contents"]
    assert last == {"role": "user", "parts": [{"text": "Go on."}]}


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3-flash-preview", "gemini-3.5-flash"])
def test_contents_may_end_with_a_model_turn(model):
    *_, last = call(model, messages=POEM).body["contents"]
    assert last == {"role": "model", "parts": [{"text": "Roses are"}]}


@pytest.mark.parametrize("model", ["gemini-3.1-flash-tts-preview", "gemini-2.5-pro-tts"])
def test_system_message_precedes_the_text_to_speak(model):
    messages = [{"role": "system", "content": "like a pirate"}, *HELLO]
    upstream_call = call(
        model, messages=messages, modalities=["audio"], audio={"voice": "Kore", "format": "pcm16"}
    )
    assert upstream_call.body["contents"] == [{"role": "user", "parts": [{"text": "like a pirate: Hello"}]}]
    assert "systemInstruction" not in upstream_call.body


def test_system_of_a_newer_speech_model_is_its_style():
    messages = [{"role": "system", "content": "like a pirate"}, *HELLO]
    upstream_call = call("gemini-3.8-flash-tts", messages=messages, modalities=["audio"])
    part = {"text": "Hello", "speechMetadata": {"style": "like a pirate"}}
    assert upstream_call.body["contents"] == [{"role": "user", "parts": [part]}]


# Sampling and candidates


@pytest.mark.parametrize("model", ["gemini-3.5-flash-lite", "gemini-3.6-flash", "gemini-4-hydrogen"])
def test_sampling_without_effect_is_named(model):
    upstream_call = call(model, temperature=0, top_p=0.5, top_k=3)
    assert "generationConfig" not in upstream_call.body
    assert set(upstream_call.ignored) == {"temperature", "top_p", "top_k"}


def test_sampling_with_effect_is_sent():
    assert config("gemini-3.5-flash", temperature=0) == {"temperature": 0}


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-3.1-flash-lite"])
def test_candidates_of_gemini_3_are_calls(model):
    first, second = upstream_calls({"model": model, "messages": HELLO, "n": 2})
    assert first == second
    assert "generationConfig" not in first.body


def test_candidates_of_gemini_2_are_of_one_call():
    (only,) = upstream_calls({"model": "gemini-2.5-flash", "messages": HELLO, "n": 2})
    assert only.body["generationConfig"] == {"candidateCount": 2}


# Limits


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_limit_above_the_model_s_is_lowered_and_named(name):
    upstream_call = call("gemini-3.8-flash", **{name: 100_000})
    assert upstream_call.body["generationConfig"] == {"maxOutputTokens": 65_536}
    assert upstream_call.ignored == (name,)


@pytest.mark.parametrize(
    ("tokens", "method"), [(32_768, "generateContent"), (32_769, "streamGenerateContent?alt=sse")]
)
def test_long_answer_of_gemini_4_is_streamed_to_the_function(tokens, method):
    upstream_call = call("gemini-4-argon", max_tokens=tokens)
    assert upstream_call.path.endswith(f":{method}")
    assert upstream_call.body["generationConfig"] == {"maxOutputTokens": tokens}


# Thinking


@pytest.mark.parametrize(
    ("model", "effort", "level", "is_exact"),
    [
        ("gemini-4-hydrogen", "xhigh", "XHIGH", True),
        ("gemini-4-hydrogen", "max", "XHIGH", False),
        ("gemini-4-argon", "xhigh", "HIGH", False),
        ("gemini-3.8-flash", "minimal", "LOW", False),
        ("gemini-3.8-flash", "high", "HIGH", True),
        ("gemini-3-flash-preview", "minimal", "MINIMAL", True),
    ],
)
def test_effort_is_the_nearest_level_of_the_model(model, effort, level, is_exact):
    upstream_call = call(model, reasoning_effort=effort)
    assert upstream_call.body["generationConfig"]["thinkingConfig"]["thinkingLevel"] == level
    assert upstream_call.ignored == (() if is_exact else ("reasoning_effort",))


@pytest.mark.parametrize("model", ["gemini-nano-banana-2.1", "gemini-omni-1.2-flash"])
@pytest.mark.parametrize(
    "params",
    [
        {"reasoning_effort": "high"},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        {"google": {"thinking_config": {"thinking_budget": 2048}}},
    ],
)
def test_models_without_budgets_get_none(model, params):
    upstream_call = call(model, **params)
    assert "thinkingBudget" not in upstream_call.body.get("generationConfig", {}).get("thinkingConfig", {})


@pytest.mark.parametrize(
    ("budget", "expected"), [(100_000, 32_768), (1, 128), (0, 128), (-1, -1), (2048, 2048)]
)
def test_budget_is_clamped_however_it_is_set(budget, expected):
    native = call("gemini-2.5-pro", google={"thinking_config": {"thinking_budget": budget}})
    assert native.body["generationConfig"]["thinkingConfig"] == {"thinkingBudget": expected}
    named = () if budget == expected else ("google.thinking_config.thinking_budget",)
    assert native.ignored == named
    if budget > 0:
        litellm = call("gemini-2.5-pro", thinking={"type": "enabled", "budget_tokens": budget})
        assert litellm.body["generationConfig"]["thinkingConfig"]["thinkingBudget"] == expected
        assert litellm.ignored == (() if budget == expected else ("thinking",))


# Calls of the history


def test_calls_of_another_publisher_have_ids_from_gemini_3_on():
    messages = [
        *HELLO,
        called("f", "g", ids=["toolu_1", "toolu_2"]),
        result("B", "toolu_2"),
        result("A", "toolu_1"),
    ]
    _, model, user_turn = call(
        "gemini-3.8-flash", messages=messages, tools=[function("f"), function("g")]
    ).body["contents"]
    assert [part["functionCall"]["id"] for part in model["parts"]] == ["toolu_1", "toolu_2"]
    assert [part["functionResponse"]["id"] for part in user_turn["parts"]] == ["toolu_1", "toolu_2"]
    assert [part["functionResponse"]["response"] for part in user_turn["parts"]] == [
        {"output": "A"},
        {"output": "B"},
    ]


def test_calls_have_no_ids_before_gemini_3():
    _, model, user_turn = call("gemini-2.5-flash", messages=[*HELLO, called("f"), result()]).body["contents"]
    assert "id" not in model["parts"][0]["functionCall"]
    assert "id" not in user_turn["parts"][0]["functionResponse"]


SIGNATURE = (
    "H0D8ktokFpR1CXnubPWC8tXX0o4YM13gWrxU0FYOD1MChgxlK/CNVgJSql50IQVG82n7u86MEs/HlXsmUv6adR9A/JLaJBaUdQ=="
)
WHOLE = signatures.call_id("seed", CallMarks("m4v7k35n", SIGNATURE))


@pytest.mark.parametrize(
    "damaged",
    [
        WHOLE[:64],
        WHOLE[:100],
        WHOLE[:128],
        WHOLE[:40],
        WHOLE.lower(),
        f"{WHOLE}_57b05e78dc",
        f"{WHOLE[:64]}_57b05e78dc",
        WHOLE[:-1] + "x",
    ],
)
def test_damaged_signature_is_replaced_by_the_skip_value(damaged):
    messages = [*HELLO, called("f", ids=[damaged]), result("20", damaged)]
    _, model, user_turn = call("gemini-3.8-flash", messages=messages).body["contents"]
    (part,) = model["parts"]
    assert part["thoughtSignature"] == signatures.SKIP
    assert part["functionCall"]["id"] == user_turn["parts"][0]["functionResponse"]["id"]
    assert len(part["functionCall"]["id"]) <= 64


def test_whole_signature_and_id_go_back():
    messages = [*HELLO, called("f", ids=[WHOLE]), result("20", WHOLE)]
    _, model, user_turn = call("gemini-3.8-flash", messages=messages).body["contents"]
    assert model["parts"] == [
        {"functionCall": {"name": "f", "args": {}, "id": "m4v7k35n"}, "thoughtSignature": SIGNATURE}
    ]
    assert user_turn["parts"][0]["functionResponse"]["id"] == "m4v7k35n"


def test_signature_of_the_message_is_the_call_s_if_it_has_none():
    message = called("f") | {"extra_content": {"google": {"thought_signature": "c2lnVGhvdWdodA=="}}}
    _, model, _ = call("gemini-3-pro-preview", messages=[*HELLO, message, result()]).body["contents"]
    assert [part["thoughtSignature"] for part in model["parts"]] == ["c2lnVGhvdWdodA=="]


# Pictures of the history


def signed(signature):
    return {"extra_content": {"google": {"thought_signature": signature}}}


def picture(**more):
    return {"type": "image_url", "image_url": {"url": PNG}, "index": 0} | more


INLINE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


@pytest.mark.parametrize("model", ["gemini-3-pro-image-preview", "gemini-nano-banana-2.1"])
def test_image_is_sent_back_with_its_own_signature(model):
    message = {"role": "assistant", "content": "Here is a cat.", "refusal": None} | signed("c2lnVGV4dA==")
    message["images"] = [picture(**signed("c2lnSW1n"))]
    upstream_call = call(
        model, messages=[user("a cat"), message, user("in red")], modalities=["text", "image"]
    )
    assert upstream_call.body["contents"][1] == {
        "role": "model",
        "parts": [
            {"text": "Here is a cat.", "thoughtSignature": "c2lnVGV4dA=="},
            INLINE | {"thoughtSignature": "c2lnSW1n"},
        ],
    }
    assert upstream_call.ignored == ()


def test_unsigned_parts_of_an_image_model_have_the_skip_value():
    parts = [{"type": "text", "text": "Here it is"}, {"type": "image_url", "image_url": {"url": PNG}}]
    messages = [user("a cat"), {"role": "assistant", "content": parts}, user("in red")]
    contents = call("gemini-3-pro-image", messages=messages).body["contents"]
    assert contents[1]["parts"] == [{"text": "Here it is"} | SKIP, INLINE | SKIP]


def test_unsigned_text_of_other_models_has_no_signature():
    messages = [user("Hi"), {"role": "assistant", "content": "Hello"}, user("Bye")]
    contents = call("gemini-3.8-flash", messages=messages).body["contents"]
    assert contents[1]["parts"] == [{"text": "Hello"}]


# Google's own words


def test_tool_config_in_google_s_words_is_sent():
    native = {"tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}}}
    upstream_call = call("gemini-3.8-flash", tools=[function("f"), function("g")], google=native)
    assert upstream_call.body["toolConfig"] == {
        "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}
    }


def test_streamed_arguments_are_not_requested():
    native = {"toolConfig": {"functionCallingConfig": {"mode": "AUTO", "streamFunctionCallArguments": True}}}
    upstream_call = call("gemini-3.8-flash", tools=[function("f")], google=native)
    assert upstream_call.body["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}
    assert upstream_call.ignored == (
        "google.tool_config.function_calling_config.stream_function_call_arguments",
    )


def test_output_and_transcription_config_are_sent():
    native = {
        "generation_output_config": {"gcs_destination": {"output_uri_prefix": "gs://b/p"}},
        "audio_transcription_config": {"word_timestamp": True},
    }
    upstream_call = call("gemini-3.8-flash", google=native)
    assert upstream_call.body["outputConfig"] == {"gcsDestination": {"outputUriPrefix": "gs://b/p"}}
    assert upstream_call.body["generationConfig"] == {"audioTranscriptionConfig": {"wordTimestamp": True}}
