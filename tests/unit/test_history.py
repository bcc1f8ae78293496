"""Conversations that OpenAI accepts and publishers refuse: they are repaired.

The emulator is as strict as the publishers are. Only texts here.
"""

import pytest
from helpers.fixtures import MODELS, post, question, upstream_call


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def parts(*texts):
    return [{"type": "text", "text": text} for text in texts]


ODD = {
    "an assistant first": [message("assistant", "How can I help?"), message("user", "Tell me a joke.")],
    "a system and an assistant first": [
        message("system", "Be kind."),
        message("assistant", "How can I help?"),
        message("user", "Tell me a joke."),
    ],
    "only a system": [message("system", "Write a haiku.")],
    "only a developer": [message("developer", "Write a haiku.")],
    "only an empty user": [message("user", "")],
    "only blanks": [message("user", " \n")],
    "no parts": [message("user", [])],
    "an empty part": [message("user", parts("", "Hello"))],
    "an empty system": [message("system", ""), message("user", "Hello")],
    "a blank system": [message("system", "  "), message("user", "Hello")],
    "users in a row": [message("user", "One."), message("user", "Two."), message("user", "Three.")],
    "assistants in a row": [
        message("user", "One."),
        message("assistant", "Two."),
        message("assistant", "Three."),
        message("user", "Four."),
    ],
    "a system in the middle": [
        message("user", "Hi."),
        message("assistant", "Hello."),
        message("system", "French from now on."),
        message("user", "Go on."),
    ],
    "a system last": [message("user", "Hi."), message("system", "Answer in French.")],
    "a developer after a system": [
        message("system", "Be brief."),
        message("developer", "Be kind."),
        message("user", "Hi."),
    ],
    "an assistant who said nothing": [
        message("user", "Hi."),
        message("assistant", ""),
        message("user", "Hello?"),
    ],
    "an assistant with null": [message("user", "Hi."), message("assistant", None), message("user", "Hello?")],
    "an assistant without content": [
        message("user", "Hi."),
        {"role": "assistant"},
        message("user", "Hello?"),
    ],
    "an assistant who refused": [
        message("user", "Hi."),
        message("assistant", None, refusal="I cannot help with that."),
        message("user", "And now?"),
    ],
    "an assistant's refusal as a part": [
        message("user", "Hi."),
        message("assistant", [{"type": "refusal", "refusal": "No."}]),
        message("user", "And now?"),
    ],
    "names": [
        message("system", "Be kind.", name="boss"),
        message("user", "Hi.", name="ann"),
        message("user", "Ho.", name="bob"),
    ],
    "what other clients leave in a message": [
        message("user", "Hi."),
        message(
            "assistant",
            "Hello.",
            refusal=None,
            annotations=[],
            audio=None,
            function_call=None,
            tool_calls=None,
        ),
        message("user", "Go on."),
    ],
    "a long way": [message(role, f"Turn {turn}.") for turn in range(300) for role in ("user", "assistant")]
    + [message("user", "The end?")],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("publisher", MODELS)
@pytest.mark.parametrize("odd", ODD)
def test_unusual_conversation_is_answered(app, publisher, odd, stream):
    answer = post(app, question(publisher, messages=ODD[odd], stream=stream))
    assert answer.status_code == 200, answer.data


@pytest.mark.parametrize("text", ["One, two,", "So: ", "Well\n\n"])
@pytest.mark.parametrize("publisher", ["google", "anthropic", "mistralai", "ai21"])
def test_an_answer_can_be_begun_by_the_client(app, publisher, text):
    messages = [message("user", "Count."), message("assistant", text)]
    answer = post(app, question(publisher, messages=messages))
    assert answer.status_code == 200, answer.data


@pytest.mark.parametrize("publisher", MODELS)
def test_the_client_s_words_arrive_as_they_are(app, emulator, publisher):
    text = '👩‍👩‍👧‍👦 \u2028 عربى \x01 \u200b 𝕏 \\ " \n\t 茴香豆'
    answer = post(app, question(publisher, messages=[message("user", text)]))
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
                    message("user", "Hi"),
                    message(
                        "assistant",
                        [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, *parts("Yes")],
                    ),
                    message("user", "Go on"),
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
