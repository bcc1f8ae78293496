"""Endpoints that only predict: what they are sent, and the shapes in which they answer."""

import json

import pytest
from helpers.fixtures import events_of, post, reply_to, upstream_call

MODEL = "1234567890"


def chat_body(*messages, **more):
    return {"model": MODEL, "messages": [*messages], **more}


def user(text):
    return {"role": "user", "content": text}


@pytest.mark.parametrize(
    "predictions",
    [
        ["Prompt:\nHi\nOutput:\nHello"],
        ["Prompt:\n<s>Hi\nOutput:\nHello"],
        ["Hello"],
        [["Hello", "Ho"]],
        [{"generated_text": "Hello"}],
        [[{"generated_text": "Hello"}]],
        [{"content": "Hello"}],
        {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_text_is_found_in_every_wrapper(predictions, stream):
    answer = reply_to(
        chat_body(user("Hi"), stream=stream), [json.dumps({"predictions": predictions}).encode()]
    )
    if stream:
        pieces = [
            piece["delta"].get("content") or ""
            for event in events_of(answer)[:-1]
            for piece in event["choices"]
        ]
        assert "".join(pieces) == "Hello"
        return
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_an_answer_that_repeats_the_mark_of_the_echo_is_whole():
    prediction = "Prompt:\nHi\nOutput:\nProgram\nOutput:\n42"
    answer = reply_to(chat_body(user("Hi")), [json.dumps({"predictions": [prediction]}).encode()])
    assert answer["choices"][0]["message"]["content"] == "Program\nOutput:\n42"


def test_dialogue_becomes_prompt_for_model_without_template():
    messages = [
        {"role": "system", "content": "Be kind."},
        user("Hi"),
        {"role": "assistant", "content": "Ho"},
        user("So?"),
    ]
    call = upstream_call(chat_body(*messages, temperature=0, top_k=3, stop="END", seed=1, min_p=0.1))
    prompt = "system: Be kind.\n\nuser: Hi\n\nassistant: Ho\n\nuser: So?\n\nassistant:"
    assert call.path == "endpoints/1234567890:predict"
    assert call.body == {
        "instances": [{"prompt": prompt, "temperature": 0, "top_k": 3, "min_p": 0.1, "stop": ["END"]}]
    }
    assert call.ignored == ("seed",)


def test_a_container_s_refusal_under_a_good_status_is_an_error(app):
    asks = chat_body(user("Hi"), **{"@requestFormat": "chatCompletions", "min_p": 7})
    answer = post(app, asks)
    assert answer.status_code == 400
    assert "min_p" in answer.json["error"]["message"]
