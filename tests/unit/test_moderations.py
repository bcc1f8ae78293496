"""`/moderations`: OpenAI's categories as far as Natural Language rates them."""

import pytest
from helpers.fixtures import post


def test_openai_s_client_reads_flags_and_scores(client, emulator):
    answer = client.moderations.create(input=["I will kill you, idiot", "Good morning"])
    threat, greeting = answer.results
    assert threat.flagged
    assert threat.categories.violence
    assert threat.categories.harassment
    assert threat.category_scores.violence == 0.91
    assert not greeting.flagged
    assert greeting.category_scores.hate == 0.0125
    assert {call.path for call in emulator.calls} == {"/v2/documents:moderateText"}


def test_categories_that_are_not_rated_say_so(client):
    (result,) = client.moderations.create(input="He died", model="omni-moderation-2024-09-26").results
    assert not result.categories.self_harm
    assert result.category_applied_input_types.self_harm == []
    assert result.category_applied_input_types.sexual == ["text"]


@pytest.mark.parametrize(
    ("model", "status"),
    [("omni-moderation-latest", 200), ("text-moderation-stable", 200), ("gemini-3.8-flash", 404), ("", 404)],
)
def test_another_model_does_not_moderate(app, model, status):
    answer = post(app, {"input": "a", "model": model}, "/moderations")
    assert answer.status_code == status
    if status == 404:
        error = answer.json["error"]
        assert (error["param"], error["code"]) == ("model", "model_not_found")


def test_google_s_own_categories_are_shown(app):
    answer = post(app, {"input": "The church and the bank"}, "/v1/moderations")
    rated = answer.json["results"][0]["google_categories"]
    assert rated["Religion & Belief"] == rated["Finance"] == 0.91


def test_content_parts_are_one_input(app, emulator):
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert len(post(app, {"input": parts}, "/moderations").json["results"]) == 1
    assert emulator.calls[-1].json["document"] == {"type": "PLAIN_TEXT", "content": "one\ntwo"}


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ([], "input"),
        ("", "input"),
        (["a", " "], "input[1]"),
        (["a", 1], "input[1]"),
        (["a", {"type": "text", "text": "b"}], "input[0]"),
        ([{"type": "text"}], "input[0].text"),
        ([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}], "input[0]"),
    ],
)
def test_a_wrong_input_is_named(app, value, param):
    answer = post(app, {"input": value}, "/moderations")
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == param


@pytest.mark.parametrize("body", [b"{}", b'{"moderationCategories": [{"name": "Toxic"}]}'])
def test_a_response_without_categories_is_a_502(app, emulator, body):
    emulator.script(body)
    assert post(app, {"input": "a"}, "/moderations").status_code == 502
