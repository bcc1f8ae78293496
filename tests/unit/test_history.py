"""Conversations that OpenAI lets pass and publishers refuse: the meaning is clear, so they are answered.

The emulator is as strict as the publishers are. Only texts here.
"""

import pytest
from helpers.fixtures import MODELS, post, question, upstream_call


def said(role, content, **more):
    return {"role": role, "content": content, **more}


def parts(*texts):
    return [{"type": "text", "text": text} for text in texts]


ODD = {
    "an assistant first": [said("assistant", "How can I help?"), said("user", "Tell me a joke.")],
    "a system and an assistant first": [
        said("system", "Be kind."),
        said("assistant", "How can I help?"),
        said("user", "Tell me a joke."),
    ],
    "only a system": [said("system", "Write a haiku.")],
    "only a developer": [said("developer", "Write a haiku.")],
    "only an empty user": [said("user", "")],
    "only blanks": [said("user", " \n")],
    "no parts": [said("user", [])],
    "an empty part": [said("user", parts("", "Hello"))],
    "an empty system": [said("system", ""), said("user", "Hello")],
    "a blank system": [said("system", "  "), said("user", "Hello")],
    "users in a row": [said("user", "One."), said("user", "Two."), said("user", "Three.")],
    "assistants in a row": [
        said("user", "One."),
        said("assistant", "Two."),
        said("assistant", "Three."),
        said("user", "Four."),
    ],
    "a system in the middle": [
        said("user", "Hi."),
        said("assistant", "Hello."),
        said("system", "French from now on."),
        said("user", "Go on."),
    ],
    "a system last": [said("user", "Hi."), said("system", "Answer in French.")],
    "a developer after a system": [
        said("system", "Be brief."),
        said("developer", "Be kind."),
        said("user", "Hi."),
    ],
    "an assistant who said nothing": [said("user", "Hi."), said("assistant", ""), said("user", "Hello?")],
    "an assistant with null": [said("user", "Hi."), said("assistant", None), said("user", "Hello?")],
    "an assistant without content": [said("user", "Hi."), {"role": "assistant"}, said("user", "Hello?")],
    "an assistant who refused": [
        said("user", "Hi."),
        said("assistant", None, refusal="I cannot help with that."),
        said("user", "And now?"),
    ],
    "an assistant's refusal as a part": [
        said("user", "Hi."),
        said("assistant", [{"type": "refusal", "refusal": "No."}]),
        said("user", "And now?"),
    ],
    "names": [
        said("system", "Be kind.", name="boss"),
        said("user", "Hi.", name="ann"),
        said("user", "Ho.", name="bob"),
    ],
    "what other clients leave in a message": [
        said("user", "Hi."),
        said(
            "assistant",
            "Hello.",
            refusal=None,
            annotations=[],
            audio=None,
            function_call=None,
            tool_calls=None,
        ),
        said("user", "Go on."),
    ],
    "a long way": [said(role, f"Turn {turn}.") for turn in range(300) for role in ("user", "assistant")]
    + [said("user", "The end?")],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("publisher", MODELS)
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_conversation_is_answered(app, publisher, odd, stream):
    answer = post(app, question(publisher, messages=ODD[odd], stream=stream))
    assert answer.status_code == 200, answer.data


@pytest.mark.parametrize("text", ["One, two,", "So: ", "Well\n\n"])
@pytest.mark.parametrize("publisher", ["google", "anthropic", "mistralai", "ai21"])
def test_an_answer_can_be_begun_by_the_client(app, publisher, text):
    begun = [said("user", "Count."), said("assistant", text)]
    answer = post(app, question(publisher, messages=begun))
    assert answer.status_code == 200, answer.data


@pytest.mark.parametrize("publisher", MODELS)
def test_the_client_s_words_arrive_as_they_are(app, emulator, publisher):
    text = '👩‍👩‍👧‍👦 \u2028 عربى \x01 \u200b 𝕏 \\ " \n\t 茴香豆'
    answer = post(app, question(publisher, messages=[said("user", text)]))
    assert text in answer.json["choices"][0]["message"]["content"]
    assert text in str_of(emulator.calls[-1].json)


def str_of(value):
    """All strings in a piece of JSON, joined."""
    if isinstance(value, dict):
        return "".join(map(str_of, value.values()))
    if isinstance(value, list):
        return "".join(map(str_of, value))
    return str(value)


BLOCK = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln", "model": "claude-sonnet-5-5"}
FIELD = "messages.reasoning_content"


@pytest.mark.parametrize(
    ("model", "fields", "ignored"),
    [
        ("gemini-3.8-flash", {"reasoning_content": "Hm."}, [FIELD]),
        ("gemini-3.8-flash", {"reasoning_content": "Hm.", "thinking_blocks": [BLOCK]}, [FIELD]),
        ("gemini-3.8-flash", {"thinking_blocks": [BLOCK]}, ["messages.thinking_blocks"]),
        ("claude-sonnet-5-5", {"reasoning_content": "Hm."}, [FIELD]),
        ("claude-sonnet-5-5", {"reasoning": "Hm."}, ["messages.reasoning"]),
        ("claude-sonnet-5-5", {"reasoning_content": "Hm.", "thinking_blocks": [BLOCK]}, []),
        ("mistral-medium-3", {"reasoning_content": "Hm."}, [FIELD]),
        ("jamba-1.5-large", {"reasoning_content": "Hm."}, [FIELD]),
        ("zai-org/glm-5.2-maas", {"reasoning_content": "Hm."}, []),
        ("gemini-3.8-flash", {"reasoning_content": ""}, []),
    ],
)
def test_reasoning_that_a_model_does_not_read_is_named(model, fields, ignored):
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", **fields},
        {"role": "user", "content": "Go on"},
    ]
    call = upstream_call({"model": model, "messages": history})
    assert [name for name in call.ignored if name.startswith("messages.")] == ignored


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        (
            "/v1/messages",
            {
                "max_tokens": 9,
                "messages": [
                    said("user", "Hi"),
                    said(
                        "assistant",
                        [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, *parts("Yes")],
                    ),
                    said("user", "Go on"),
                ],
            },
            "messages.content.thinking",
        ),
        (
            "/v1beta/models/mistral-medium-3:generateContent",
            {
                "contents": [
                    {"role": "user", "parts": [{"text": "Hi"}]},
                    {"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "Yes"}]},
                    {"role": "user", "parts": [{"text": "Go on"}]},
                ],
            },
            "contents.parts.thought",
        ),
    ],
)
def test_unread_reasoning_has_the_client_s_name(app, path, body, name):
    model = {"model": "mistral-medium-3"} if path == "/v1/messages" else {}
    answer = post(app, model | body, path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vertex-compat-ignored"] == name
