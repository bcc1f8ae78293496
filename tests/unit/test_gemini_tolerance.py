"""Gemini's responses with fields that are null, absent or of another type, and enum numbers."""

import json

import pytest
from helpers.fixtures import CannedTransport, function, post, question

COUNTS = {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}
TEXT = {"text": "hello"}


def candidate(*parts, **fields):
    return {"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP"} | fields


def ask(*candidates, path="/v1/chat/completions", usage=COUNTS):
    body = {"candidates": list(candidates), "usageMetadata": usage}
    client = function(CannedTransport([json.dumps(body).encode()], "application/json"))
    messages = question("google")["messages"]
    request = {"model": "gemini-3.8-flash"} | {
        "/v1/chat/completions": {"messages": messages},
        "/v1/responses": {"input": "Hello"},
        "/v1/completions": {"prompt": "Hello"},
    }[path]
    answer = post(client, request, path)
    assert answer.status_code == 200, answer.json
    return answer.json


def message(*parts, **fields):
    return ask(candidate(*parts, **fields))["choices"][0]["message"]


@pytest.mark.parametrize("name", [*COUNTS, "thoughtsTokenCount", "toolUsePromptTokenCount"])
def test_null_count_is_inferred_from_the_others(name):
    usage = ask(candidate(TEXT), usage=COUNTS | {name: None})["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (5, 7, 12)


@pytest.mark.parametrize("value", ["5", 5.0, 5.5])
def test_count_of_another_type_is_an_integer(value):
    usage = ask(candidate(TEXT), usage=COUNTS | {"promptTokenCount": value})["usage"]
    assert usage["prompt_tokens"] == 5
    assert type(usage["prompt_tokens"]) is int


def test_counts_of_parts_never_exceed_the_whole():
    counts = COUNTS | {
        "cachedContentTokenCount": 50,
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 70}],
    }
    usage = ask(candidate(TEXT), usage=counts)["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 5
    assert usage["completion_tokens_details"]["audio_tokens"] == 7


@pytest.mark.parametrize("modality", [4, "AUDIO"])
def test_modality_may_be_a_number(modality):
    details = [{"modality": modality, "tokenCount": 3}]
    usage = ask(candidate(TEXT), usage=COUNTS | {"promptTokensDetails": details})["usage"]
    assert usage["prompt_tokens_details"]["audio_tokens"] == 3


@pytest.mark.parametrize(
    ("number", "finish_reason"), [(1, "stop"), (2, "length"), (3, "content_filter"), (99, "stop")]
)
def test_finish_reason_may_be_a_number(number, finish_reason):
    assert ask(candidate(TEXT, finishReason=number))["choices"][0]["finish_reason"] == finish_reason


@pytest.mark.parametrize(
    ("outcome", "language"), [(1, "output"), ("OUTCOME_OK", "output"), (None, "output"), (2, "error")]
)
def test_outcome_of_code_may_be_a_number(outcome, language):
    part = {"codeExecutionResult": {"outcome": outcome, "output": "4"}}
    assert message(part)["content"] == f"\n```{language}\n4\n```\n"


@pytest.mark.parametrize(("language", "fence"), [(1, "python"), ("PYTHON", "python"), (None, "")])
def test_language_of_code_may_be_a_number_or_null(language, fence):
    part = {"executableCode": {"language": language, "code": "2 + 2"}}
    assert message(TEXT, part)["content"] == f"hello\n```{fence}\n2 + 2\n```\n"


def test_null_output_of_code_is_empty():
    part = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": None}}
    assert message(TEXT, part)["content"] == "hello\n```output\n\n```\n"


def test_candidates_without_an_index_keep_their_order():
    choices = ask(candidate({"text": "A"}, index=None), candidate({"text": "B"}, index=None))["choices"]
    assert [(choice["index"], choice["message"]["content"]) for choice in choices] == [(0, "A"), (1, "B")]


def test_citation_without_a_start_begins_at_the_start():
    support = {"segment": {"startIndex": None, "endIndex": 5, "text": "hello"}, "groundingChunkIndices": [0]}
    metadata = {
        "groundingChunks": [{"web": {"uri": "https://a", "title": None}}],
        "groundingSupports": [support],
    }
    (annotation,) = message(TEXT, groundingMetadata=metadata)["annotations"]
    assert annotation["url_citation"] == {
        "url": "https://a",
        "title": "https://a",
        "start_index": 0,
        "end_index": 5,
    }


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/completions"])
def test_whole_response_without_a_finish_reason_has_finished(path):
    answer = ask({"content": {"parts": [TEXT]}}, path=path)
    if path == "/v1/responses":
        assert answer["status"] == "completed"
        assert answer["output"][0]["content"][0]["text"] == "hello"
    else:
        assert answer["choices"][0]["finish_reason"] == "stop"


def test_refusal_names_the_reason_where_nothing_else_came():
    choice = ask(candidate(finishReason="NO_IMAGE"))["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["refusal"] == "Gemini ended without an answer: NO_IMAGE."


def test_signature_of_a_thought_belongs_to_the_call_after_it():
    thought = {"text": "", "thought": True, "thoughtSignature": "c2lnVGhvdWdodA=="}
    (call,) = message(thought, {"functionCall": {"name": "f", "args": {}}})["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": "c2lnVGhvdWdodA=="}}


def test_text_and_image_have_signatures_of_their_own():
    picture = {
        "inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="},
        "thoughtSignature": "c2lnSW1n",
    }
    answer = message({"text": "A cat.", "thoughtSignature": "c2lnVGV4dA=="}, picture)
    assert answer["extra_content"] == {"google": {"thought_signature": "c2lnVGV4dA=="}}
    assert answer["images"][0]["extra_content"] == {"google": {"thought_signature": "c2lnSW1n"}}
