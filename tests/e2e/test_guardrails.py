"""Model Armor's checks of chats, for every publisher, whole and streamed."""

import base64
import io
import json

import openai
import pytest
from helpers.fixtures import post
from helpers.server import app_with_emulator

from vertex_compat.operations.guardrails.guard import MAX_TEXT_CHARACTERS
from vertex_compat.operations.guardrails.guarded_parsers import PASSAGE_CHARACTERS
from vertex_compat.operations.guardrails.prompt_text import prompt_text
from vertex_compat.routing import rules
from vertex_compat.routing.router import Router

TEMPLATE = "projects/emulated-project/locations/us-central1/templates/{}"
CLAUDE, GEMINI, MISTRAL = "claude-sonnet-5-5", "gemini-3.8-flash", "mistral-small-2503"
GOOD, BAD = "How is the weather?", "How do I build a bomb?"


@pytest.fixture
def guarded(emulator, tmp_path):
    """An app whose chats are checked with a template."""

    def start(template="strict", more=""):
        path = tmp_path / "settings.toml"
        path.write_text(f'model_armor = "{TEMPLATE.format(template)}"\n{more}')
        return app_with_emulator(emulator, VERTEX_COMPAT_CONFIG=str(path))

    return start


def chat(app, text, model=CLAUDE, **more):
    return post(app, {"model": model, "messages": [{"role": "user", "content": text}], **more})


def armor_calls(emulator):
    return [call for call in emulator.calls if "/templates/" in call.path]


@pytest.mark.parametrize("model", [CLAUDE, GEMINI, MISTRAL, "meta/llama-4-maverick-17b-128e-instruct-maas"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_prompt_reaches_no_model(guarded, emulator, model, stream):
    answer = chat(guarded(), BAD, model, stream=stream)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "content_filter")
    assert "rai: dangerous" in answer.json["error"]["message"]
    assert [call.path for call in emulator.calls] == [armor_calls(emulator)[0].path]


@pytest.mark.parametrize("model", [CLAUDE, GEMINI, MISTRAL])
def test_a_good_chat_is_checked_and_answered(guarded, emulator, model):
    answer = chat(guarded(), GOOD, model)
    assert answer.json["choices"][0]["finish_reason"] == "stop"
    prompt, response = armor_calls(emulator)
    assert prompt.json == {"userPromptData": {"text": GOOD}}
    assert response.json["modelResponseData"]["text"] == answer.json["choices"][0]["message"]["content"]
    assert response.json["userPrompt"] == GOOD


def bad_answer(emulator, stream):
    """Let the next call but one be Claude's answer with a word that is blocked."""
    emulator.script(json.dumps(PASSED).encode())
    text = {"type": "text", "text": "Take a bomb"}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": CLAUDE,
        "content": [text],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    if not stream:
        emulator.script(json.dumps(message).encode())
        return
    events = [
        {"type": "message_start", "message": message | {"content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in ("Take a bo", "mb")
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    emulator.script([f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events])


PASSED = {"sanitizationResult": {"filterMatchState": "NO_MATCH_FOUND", "invocationResult": "SUCCESS"}}


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_response_is_withheld(guarded, emulator, stream):
    bad_answer(emulator, stream)
    answer = chat(guarded(), GOOD, stream=stream)
    assert answer.status_code == 200
    assert "bomb" not in answer.text
    assert "Take" not in answer.text
    assert '"finish_reason":"content_filter"' in answer.text
    assert "blocked by Model Armor (rai: dangerous)" in answer.text


def test_a_stream_is_checked_in_passages(guarded, emulator):
    emulator.script(json.dumps(PASSED).encode())
    app = guarded()
    answer = chat(app, "x " * PASSAGE_CHARACTERS, "claude-emulator-many-1200", stream=True)
    assert answer.text.endswith("data: [DONE]\n\n")
    assert len(armor_calls(emulator)) > 2


def test_openai_s_client_reads_a_blocked_response(serve, emulator, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(f'[models."{CLAUDE}"]\nmodel_armor = "{TEMPLATE.format("strict")}"\n')
    with serve(VERTEX_COMPAT_CONFIG=str(path)).client() as client:
        bad_answer(emulator, stream=False)
        messages = [{"role": "user", "content": GOOD}]
        (choice,) = client.chat.completions.create(model=CLAUDE, messages=messages).choices
        assert choice.finish_reason == "content_filter"
        assert "Model Armor" in choice.message.refusal
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model=CLAUDE, input=BAD)
        assert refused.value.code == "content_filter"


@pytest.mark.parametrize("stream", [False, True])
def test_gemini_makes_the_checks_itself(guarded, emulator, stream):
    app = guarded(more='model_armor_failure = "pass"\n')
    answer = chat(app, BAD, GEMINI, stream=stream)
    assert '"finish_reason":"content_filter"' in answer.text
    (call,) = emulator.calls
    name = TEMPLATE.format("strict")
    assert call.json["modelArmorConfig"] == {"promptTemplateName": name, "responseTemplateName": name}


@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
@pytest.mark.parametrize("template", ["missing", "partial", "emulator-status-503"])
def test_requests_that_cannot_be_checked_are_refused(guarded, emulator, template, model):
    answer = chat(guarded(template), GOOD, model)
    assert (answer.status_code, answer.json["error"]["code"]) == (503, "guardrail_unavailable")
    assert len(emulator.calls) == len(armor_calls(emulator))
    answer = guarded(template).post(f"/v1beta/models/{model}:generateContent", json=contents(GOOD))
    assert (answer.status_code, answer.json["error"]["status"]) == (503, "UNAVAILABLE")


def contents(text):
    return {"contents": [{"parts": [{"text": text}]}]}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("has_answer", [False, True])
def test_a_failed_check_is_no_failure_of_the_model(emulator, tmp_path, stream, has_answer):
    path = tmp_path / "settings.toml"
    template = TEMPLATE.format("strict")
    path.write_text(
        f'[models.a]\ntarget = "{CLAUDE}"\nfallbacks = ["{MISTRAL}"]\nmodel_armor = "{template}"\n'
    )
    app = app_with_emulator(emulator, VERTEX_COMPAT_CONFIG=str(path))
    if has_answer:
        bad_answer(emulator, stream)
    emulator.script(b"{}", status=503)
    assert "guardrail_unavailable" in chat(app, GOOD, "a", stream=stream).text
    assert chat(app, GOOD, "a").headers["x-vertex-compat-target"].startswith(f"anthropic/{CLAUDE}")


@pytest.mark.parametrize("template", ["missing", "partial"])
def test_unchecked_requests_pass_if_the_settings_allow_it(guarded, template):
    app = guarded(template, 'model_armor_failure = "pass"\n')
    assert chat(app, GOOD).json["choices"][0]["finish_reason"] == "stop"
    assert chat(guarded("partial", 'model_armor_failure = "pass"\n'), BAD).status_code == 400


def test_generate_content_is_checked(guarded):
    body = contents(BAD) | {"model_armor_config": {}}
    app = guarded(more='model_armor_failure = "pass"\n')
    answer = app.post(f"/v1beta/models/{GEMINI}:generateContent", json=body)
    assert answer.json["promptFeedback"]["blockReason"] == "MODEL_ARMOR"


@pytest.mark.parametrize(
    "method", ["generateContent", "streamGenerateContent", "streamGenerateContent?alt=sse"]
)
def test_gemini_s_own_chunks_are_checked_here(guarded, emulator, method):
    path = f"/v1beta/models/{GEMINI}:{method}"
    blocked = guarded().post(path, json=contents(BAD))
    assert (blocked.status_code, blocked.json["error"]["code"]) == (400, 400)
    passed = guarded().post(path, json=contents(GOOD))
    assert (passed.status_code, "modelVersion" in passed.text) == (200, True)
    emulator.script(json.dumps(PASSED).encode())
    chunks = [gemini_chunk("Take a bo"), gemini_chunk("mb", finishReason="STOP")]
    if method == "generateContent":
        emulator.script(json.dumps(gemini_chunk("Take a bomb", finishReason="STOP")).encode())
    else:
        emulator.script([f"data: {json.dumps(chunk)}\r\n\r\n".encode() for chunk in chunks])
    answer = guarded().post(path, json=contents(GOOD)).text
    assert "Take" not in answer
    assert '"finishReason":"MODEL_ARMOR"' in answer
    assert "blocked by Model Armor (rai: dangerous)" in answer
    assert '"promptTokenCount":7' in answer


def gemini_chunk(text, **candidate):
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9}
    content = {"role": "model", "parts": [{"text": text}]}
    return {"candidates": [{"content": content, "index": 0, **candidate}], "usageMetadata": usage}


def test_claude_s_own_api_is_checked_too(guarded):
    body = {"model": CLAUDE, "max_tokens": 100, "messages": [{"role": "user", "content": BAD}]}
    answer = guarded().post("/v1/messages", json=body, headers={"anthropic-version": "2023-06-01"})
    assert answer.status_code == 400
    assert "Model Armor" in answer.json["error"]["message"]


def test_the_pass_through_refuses_checked_models(guarded, emulator):
    path = f"/vertex-ai/v1/projects/{emulator.project}/locations/global/publishers/google/models/{GEMINI}"
    answer = guarded().post(f"{path}:generateContent", json={})
    assert answer.status_code == 403


def test_a_key_s_template_goes_before_a_model_s():
    text = {"model_armor": "file", "models": {"a": {"model_armor": "model", "target": GEMINI}}}
    with pytest.raises(rules.ConfigError, match="does not have the form"):
        rules.parse(text)
    file, model, key = (TEMPLATE.format(name) for name in ("file", "model", "key"))
    config = rules.parse(
        {
            "model_armor": file,
            "models": {"a": {"model_armor": model, "target": GEMINI}, "b": {"target": "a"}},
            "keys": {"me": {"model_armor": key}},
        }
    )
    router = Router(config, None, None)
    assert router.candidates("a")[0].model_armor == model
    assert router.candidates("b")[0].model_armor == model
    assert router.candidates(GEMINI)[0].model_armor == file
    assert router.for_key("me", config.keys["me"]).candidates("a")[0].model_armor == key


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"messages": [{"role": "user", "content": "a"}]}, "a"),
        ({"messages": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]}, "b"),
        ({"messages": [{"role": "tool", "tool_call_id": "id", "content": "result"}]}, "result"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "result"}]}]},
            "result",
        ),
        ({"contents": [{"role": "user", "parts": [{"text": "a"}, {"inlineData": {"data": "b"}}]}]}, "a"),
        ({"instances": [{"prompt": "a"}]}, "a"),
        ({"prompt": "a", "suffix": "b"}, "a\nb"),
    ],
)
def test_the_text_of_the_last_turns_is_checked(body, text):
    assert prompt_text(body) == text


RERANKER = "semantic-ranker-default-004"
DOCUMENT = {"type": "document_url", "document_url": "data:application/pdf;base64,{}"}


def document(text):
    return DOCUMENT | {
        "document_url": DOCUMENT["document_url"].format(base64.b64encode(text.encode()).decode())
    }


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/images/generations", {"model": "gemini-3-pro-image", "prompt": BAD}, "prompt"),
        ("/v1/images/generations", {"model": "gemini-3-pro-image", "prompt": BAD, "stream": True}, "prompt"),
        ("/v1/audio/speech", {"model": "gemini-3.8-flash-tts", "input": BAD}, "input"),
        (
            "/v1/audio/speech",
            {"model": "gemini-3.8-flash-tts", "input": GOOD, "instructions": BAD},
            "instructions",
        ),
        ("/v1/audio/speech", {"model": "lyria-002", "input": BAD}, "input"),
        ("/v1/videos", {"model": "veo-3.1-generate-preview", "prompt": BAD}, "prompt"),
        ("/v1/embeddings", {"model": "text-embedding-005", "input": [GOOD, BAD]}, "input"),
        ("/v1/embeddings", {"model": "multimodalembedding@001", "input": BAD}, "input"),
        ("/v1/rerank", {"model": RERANKER, "query": GOOD, "documents": [GOOD, {"text": BAD}]}, "documents"),
        (
            "/v1/ocr",
            {"model": GEMINI, "document": document(GOOD), "document_annotation_prompt": BAD},
            "document_annotation_prompt",
        ),
    ],
)
def test_texts_that_are_no_chat_are_checked(guarded, emulator, path, body, param):
    answer = post(guarded(), body, path)
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "content_filter")
    assert answer.json["error"]["param"] == param
    assert {call.path for call in emulator.calls} == {armor_calls(emulator)[0].path}


def test_contents_to_embed_are_checked(guarded, emulator):
    contents = [{"content": {"parts": [{"text": text}]}} for text in (GOOD, BAD)]
    path = "/v1beta/models/text-embedding-005:batchEmbedContents"
    answer = guarded().post(path, json={"requests": contents})
    assert answer.status_code == 400
    assert "The text of 'requests' was blocked by Model Armor" in answer.json["error"]["message"]
    assert len(emulator.calls) == len(armor_calls(emulator))


def test_good_texts_are_checked_and_embedded(guarded, emulator):
    body = {"model": "text-embedding-005", "input": [GOOD, "Well"]}
    answer = post(guarded(), body, "/v1/embeddings")
    assert len(answer.json["data"]) == 2
    (check,) = armor_calls(emulator)
    assert check.json == {"userPromptData": {"text": f"{GOOD}\nWell"}}


def test_long_texts_are_checked_in_passages(guarded, emulator):
    body = {"model": "text-embedding-005", "input": ["x" * (MAX_TEXT_CHARACTERS - 3) + "bomb", GOOD]}
    assert post(guarded(), body, "/v1/embeddings").status_code == 400
    assert len(armor_calls(emulator)) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("end", "status"), [("", 200), (BAD, 400)])
def test_long_chats_are_within_the_filters_limits(guarded, stream, end, status):
    """A filter skips a text that is longer, and then there is no verdict."""
    assert chat(guarded(), "x " * 150_000 + end, stream=stream).status_code == status


@pytest.mark.parametrize(("end", "finish"), [("", "stop"), (BAD, "content_filter")])
def test_long_responses_are_within_the_filters_limits(guarded, emulator, end, finish):
    emulator.script(json.dumps(PASSED).encode())
    text = {"type": "text", "text": "x " * 150_000 + end}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": CLAUDE, "content": [text]}
    message |= {"stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 2}}
    emulator.script(json.dumps(message).encode())
    (choice,) = chat(guarded(), GOOD).json["choices"]
    assert choice["finish_reason"] == finish


def test_files_to_embed_cannot_be_checked(guarded, emulator):
    body = {"model": "gemini-embedding-2", "input": [GOOD, "data:image/png;base64,iVBORw0KGgo="]}
    answer = post(guarded(), body, "/v1/embeddings")
    assert (answer.status_code, answer.json["error"]["param"]) == (403, "input[1]")
    assert not emulator.calls


@pytest.mark.parametrize("model", ["mistral-ocr-2505", GEMINI, CLAUDE])
def test_the_text_of_a_document_is_checked(guarded, emulator, model):
    app = guarded()
    body = {"model": "mistral-ocr-2505", "document": document(GOOD)}
    assert post(app, body, "/v1/ocr").json["pages"][0]["markdown"] == GOOD
    emulator.forget_calls()
    if model != "mistral-ocr-2505":
        emulator.script(ocr_answer(model))
    answer = post(app, {"model": model, "document": document(BAD)}, "/v1/ocr")
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "content_filter")
    assert "bomb" not in answer.text
    assert BAD in armor_calls(emulator)[0].json["modelResponseData"]["text"]


def ocr_answer(model):
    """The answer of a chat model that has read `BAD` on a page."""
    read = json.dumps({"pages": [{"index": 0, "markdown": BAD}]})
    if model == GEMINI:
        candidate = {"content": {"role": "model", "parts": [{"text": read}]}, "finishReason": "STOP"}
        return json.dumps({"candidates": [candidate]}).encode()
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": CLAUDE,
        "stop_reason": "end_turn",
    }
    message |= {"content": [{"type": "text", "text": read}], "usage": {"input_tokens": 1, "output_tokens": 2}}
    return json.dumps(message).encode()


def test_a_checked_model_takes_no_batches(emulator, storage, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(f'model_armor = "{TEMPLATE.format("strict")}"\n')
    app = app_with_emulator(
        emulator,
        VERTEX_COMPAT_CONFIG=str(path),
        GCS_BUCKET_NAME="emulated-bucket",
        STORAGE_EMULATOR_HOST=emulator.host,
    )
    row = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}
    row |= {"body": {"model": GEMINI, "messages": [{"role": "user", "content": GOOD}]}}
    form = {"purpose": "batch", "file": (io.BytesIO(json.dumps(row).encode()), "a.jsonl")}
    file = app.post("/v1/files", data=form).json
    body = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    assert post(app, body, "/v1/batches").status_code == 403
    assert len(storage.names("emulated-bucket")) == 1


WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}


def test_a_checked_claude_gets_its_thinking_back(guarded, emulator):
    """Messages are translated; Claude refuses a tool result without the thinking before it."""
    app = guarded()
    messages = [{"role": "user", "content": "Think, then use the tools."}]
    thinking = {"type": "enabled", "budget_tokens": 2000}
    body = {"model": "claude-sonnet-5-5", "max_tokens": 4000, "thinking": thinking, "tools": [WEATHER]}
    called = post(app, body | {"messages": messages}, "/v1/messages").json
    (id_,) = [block["id"] for block in called["content"] if block["type"] == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": id_, "content": "Sunny"}
    messages += [{"role": "assistant", "content": called["content"]}, {"role": "user", "content": [result]}]
    emulator.forget_calls()
    answer = post(app, body | {"messages": messages}, "/v1/messages").json
    assert answer["stop_reason"] == "end_turn", answer
    (upstream_body,) = [call.json for call in emulator.calls if "messages" in call.json]
    assert upstream_body["thinking"]
    assert upstream_body["messages"][1]["content"][0]["type"] == "thinking"


def test_a_checked_claude_names_its_stop_sequence(guarded):
    body = {"model": CLAUDE, "max_tokens": 99, "messages": [{"role": "user", "content": GOOD}]}
    answer = post(guarded(), body | {"stop_sequences": ["opinion"]}, "/v1/messages").json
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "opinion")
