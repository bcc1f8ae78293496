"""`/completions`: Codestral fills in the middle, models that chat go on."""

import json

import openai
import pytest


def complete(app, model="codestral-2", prompt="def f(", **more):
    return app.post("/v1/completions", json={"model": model, "prompt": prompt, **more})


def chunks(answer):
    assert answer.mimetype == "text/event-stream", answer.text
    events = [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event]
    assert events.pop() == "[DONE]"
    return [json.loads(event) for event in events]


def folded(chunks):
    """Text and finish reason of each choice, from a stream."""
    choices = {}
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        text, finish = choices.get(choice["index"], ("", None))
        assert finish is None, "a piece after the finish reason"
        choices[choice["index"]] = (text + choice["text"], choice["finish_reason"])
    return choices


MODELS = [
    "codestral-2",
    "vertex_ai/codestral@2405",
    "mistral-small-2503",
    "gemini-3.8-flash",
    "claude-sonnet-5-5",
]


@pytest.mark.parametrize("model", MODELS)
def test_a_prompt_is_gone_on_with(client, model):
    answer = client.completions.create(model=model, prompt="Once upon a time", max_tokens=64)
    assert answer.id.startswith("cmpl-")
    assert (answer.object, answer.model, len(answer.choices)) == ("text_completion", model, 1)
    assert answer.choices[0].text
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_has_the_same_text(client, plain, model):
    params = {"model": model, "prompt": ["Once", "Twice"], "n": 2, "max_tokens": 300, "echo": True}
    whole = client.completions.create(**params)
    with plain.completions.create(**params, stream=True, stream_options={"include_usage": True}) as stream:
        pieces = [chunk.model_dump() for chunk in stream]
    expected = {choice.index: (choice.text, choice.finish_reason) for choice in whole.choices}
    assert folded(pieces) == expected
    assert len({piece["id"] for piece in pieces}) == 1
    assert [piece["usage"] is not None for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1]["usage"]["total_tokens"] == whole.usage.total_tokens


def test_codestral_gets_prompt_and_suffix(app, emulator):
    answer = complete(
        app,
        "codestral@2405",
        suffix="return True",
        temperature=0,
        top_p=1,
        max_tokens=10,
        min_tokens=10,
        seed=10,
        stop=["return"],
        best_of=3,
        logprobs=2,
        user="me",
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vertex-compat-ignored"] == "best_of, logprobs, user"
    assert emulator.calls[-1].path.endswith("/publishers/mistralai/models/codestral@2405:rawPredict")
    assert emulator.calls[-1].json == {
        "model": "codestral",
        "prompt": "def f(",
        "suffix": "return True",
        "temperature": 0,
        "top_p": 1,
        "max_tokens": 10,
        "min_tokens": 10,
        "random_seed": 10,
        "stop": ["return"],
    }


def test_a_model_that_chats_gets_the_prompt_as_a_message(app, emulator):
    answer = complete(app, "gemini-3.8-flash", "Once", n=3, logprobs=1, best_of=4, max_tokens=99)
    assert answer.headers["x-vertex-compat-ignored"] == "best_of, logprobs"
    assert [choice["index"] for choice in answer.json["choices"]] == [0, 1, 2]
    assert len(emulator.calls) == 3
    for call in emulator.calls:
        assert call.json["contents"] == [{"role": "user", "parts": [{"text": "Once"}]}]
        assert call.json["generationConfig"] == {"maxOutputTokens": 99}


def test_choices_are_counted_through_the_prompts(app, emulator):
    answer = complete(app, "claude-sonnet-5-5", ["Once", "Twice"], n=2, max_tokens=200)
    texts = [choice["text"] for choice in answer.json["choices"]]
    assert [choice["index"] for choice in answer.json["choices"]] == [0, 1, 2, 3]
    assert ["Once" in text for text in texts] == [True, True, False, False]
    assert len(emulator.calls) == 4


def test_an_echo_repeats_the_prompt(app):
    assert complete(app, echo=True).json["choices"][0]["text"].startswith("def f(")
    assert not complete(app).json["choices"][0]["text"].startswith("def f(")
    first, *_ = chunks(complete(app, echo=True, stream=True))
    assert first["choices"][0]["text"].startswith("def f(")


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [[1], [-2]]}, "prompt[1]"),
        ({"prompt": {"text": "a"}}, "prompt"),
        ({"prompt": ["a"] * 100, "n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"best_of": "3"}, "best_of"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"model": "gemini-3.8-flash", "suffix": "b"}, "suffix"),
    ],
)
def test_invalid_parameter_is_named(app, more, param):
    answer = app.post("/v1/completions", json={"model": "codestral-2", "prompt": "a", **more})
    assert answer.status_code == 400, answer.text
    assert answer.json["error"]["param"] == param


@pytest.mark.parametrize("model", ["text-bison", "code-gecko@001", "text-unicorn"])
def test_a_palm_names_its_successor(client, model):
    with pytest.raises(openai.NotFoundError, match="has been retired"):
        client.completions.create(model=model, prompt="a")


def test_a_model_that_only_speaks_does_not_complete(app):
    assert complete(app, "vertex_ai/").status_code == 404


@pytest.mark.parametrize("fault", ["cut-3", "end-3"])
def test_broken_stream_ends_with_an_error(app, fault):
    answer = complete(app, f"codestral-emulator-{fault}", stream=True)
    assert "[DONE]" not in answer.text
    assert "error" in json.loads(answer.text.split("\n\n")[-2].removeprefix("data: "))


def test_a_retry_later_reaches_the_client(app):
    answer = complete(app, "codestral-emulator-retry-after-7")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
