"""Invalid bodies: each is a 400 that names the place, never an error of ours."""

import json

import pytest
from helpers.fixtures import MODELS, RecordingTransport, function, post, question
from hypothesis import example, given, settings
from hypothesis import strategies as st

HELLO = question("google")


@pytest.fixture(scope="module")
def notes():
    return RecordingTransport()


@pytest.fixture(scope="module")
def function_(notes):
    return function(notes)


def refused(function_, body):
    """OpenAI's error object for a body that must be refused."""
    answer = post(function_, body)
    assert answer.status_code == 400, answer.data
    error = answer.json["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return error


def raw(**replaced):
    """A good body with a piece of JSON that Python would not write."""
    json_text = json.dumps(HELLO)[:-1]
    return (json_text + "".join(f', "{name}": {text}' for name, text in replaced.items()) + "}").encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{'model': 'x'}",
        b"model=gemini-3.8-flash",
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        json.dumps(HELLO).encode()[:-1],
        json.dumps(HELLO).encode() + b"}",
        json.dumps(HELLO).encode("utf-16"),
        raw(temperature="NaN"),
        raw(temperature="Infinity"),
        raw(temperature="-Infinity"),
        raw(temperature="01"),
        raw(temperature=".5"),
        raw(temperature="1e999"),
        raw(user='"\xff"').replace("ÿ".encode(), b"\xff"),
        raw(user='"\\ud83d"'),
        raw(user='"\\ud83d\\u0041"'),
        raw(user='"x"').replace(b'"x"', b'"\xed\xa0\xbd"'),
        raw(user='"\\x"'),
        raw(user='"\n"'),
    ],
    ids=lambda body: repr(body[-24:]),
)
def test_body_that_is_not_json_is_a_400(function_, body):
    error = refused(function_, body)
    assert "not valid JSON" in error["message"]
    assert error["param"] is None


@pytest.mark.parametrize("body", [b"null", b"[]", b"[{}]", b"7", b'"model"', b"true"])
def test_body_that_is_not_an_object_is_a_400(function_, body):
    assert "not a JSON object" in refused(function_, body)["message"]


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"model": ['])
def test_endless_nesting_is_refused(function_, opening):
    assert "nested" in refused(function_, opening * 200_000)["message"]


@pytest.mark.parametrize("depth", [10, 100, 500, 900, 1000, 3000, 10_000])
@pytest.mark.parametrize("name", ["metadata", "unknown", "tools", "messages"])
def test_no_depth_is_too_deep_for_an_answer(function_, name, depth):
    answer = post(function_, raw(**{name: '{"a":' * depth + "1" + "}" * depth}))
    assert answer.status_code in {400, 499}  # 499: the call would have been made


def test_a_number_of_any_length_is_answered(function_):
    for digits in (10, 20, 100, 5000):
        for name in ("seed", "max_tokens", "unknown", "temperature", "n"):
            answer = post(function_, raw(**{name: "9" * digits}))
            assert answer.status_code in {400, 499}


def user(content):
    return {"messages": [{"role": "user", "content": content}]}


def message(**fields):
    return {"messages": [{"role": "user", "content": "Hello"}, fields]}


WRONG = [
    ({"model": None}, "model"),
    ({"model": 7}, "model"),
    ({"model": ["gemini-3.8-flash"]}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": {}}, "messages"),
    ({"messages": "Hello"}, "messages"),
    ({"messages": [None]}, "messages[0]"),
    ({"messages": ["Hello"]}, "messages[0]"),
    ({"messages": [[]]}, "messages[0]"),
    ({"messages": [{}]}, "messages[0].role"),
    (message(content="no role"), "messages[1].role"),
    (message(role="king", content="x"), "messages[1].role"),
    (message(role="", content="x"), "messages[1].role"),
    (message(role="User", content="x"), "messages[1].role"),
    (message(role=None, content="x"), "messages[1].role"),
    (message(role=7, content="x"), "messages[1].role"),
    (message(role=["user"], content="x"), "messages[1].role"),
    (message(role="user"), "messages[1].content"),
    (message(role="user", content=None), "messages[1].content"),
    (message(role="system"), "messages[1].content"),
    (message(role="developer", content=7), "messages[1].content"),
    (message(role="assistant", content=True), "messages[1].content"),
    (message(role="user", content="x", name=7), "messages[1].name"),
    (message(role="assistant", content="x", tool_calls="y"), "messages[1].tool_calls"),
    (message(role="assistant", content="x", tool_calls=[7]), "messages[1].tool_calls[0]"),
    (message(role="tool", tool_call_id=7, content="x"), "messages[1].tool_call_id"),
    (user(7), "messages[0].content"),
    (user({"type": "text", "text": "x"}), "messages[0].content"),
    (user(["x"]), "messages[0].content[0]"),
    (user([None]), "messages[0].content[0]"),
    (user([{}]), "messages[0].content[0].type"),
    (user([{"text": "x"}]), "messages[0].content[0].type"),
    (user([{"type": "text", "text": "x"}, {"type": "smell", "smell": "x"}]), "messages[0].content[1].type"),
    (user([{"type": "text"}]), "messages[0].content[0].text"),
    (user([{"type": "text", "text": None}]), "messages[0].content[0].text"),
    (user([{"type": "text", "text": ["x"]}]), "messages[0].content[0].text"),
    (user([{"type": "image_url", "image_url": 7}]), "messages[0].content[0].image_url"),
    (user([{"type": "image_url", "image_url": {}}]), "messages[0].content[0].image_url.url"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": True}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": [1]}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"top_p": 1.1}, "top_p"),
    ({"presence_penalty": 2.1}, "presence_penalty"),
    ({"frequency_penalty": -2.1}, "frequency_penalty"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -5}, "max_tokens"),
    ({"max_tokens": "5"}, "max_tokens"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"max_completion_tokens": 0}, "max_completion_tokens"),
    ({"max_completion_tokens": {}}, "max_completion_tokens"),
    ({"n": 0}, "n"),
    ({"n": 129}, "n"),
    ({"n": 1.5}, "n"),
    ({"n": True}, "n"),
    ({"seed": "x"}, "seed"),
    ({"seed": 1.5}, "seed"),
    ({"stop": 7}, "stop"),
    ({"stop": {}}, "stop"),
    ({"stop": ["a", 7]}, "stop[1]"),
    ({"stop": [None]}, "stop[0]"),
    ({"stream": "yes"}, "stream"),
    ({"stream": 1}, "stream"),
    ({"stream_options": {}}, "stream_options"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": False, "stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": []}, "stream_options"),
    ({"stream": True, "stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
    ({"logprobs": "yes"}, "logprobs"),
    ({"logprobs": 1}, "logprobs"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"top_logprobs": -1}, "top_logprobs"),
    ({"reasoning_effort": "enormous"}, "reasoning_effort"),
    ({"user": 7}, "user"),
    ({"response_format": "json"}, "response_format"),
    ({"tools": {}}, "tools"),
    ({"tools": ["x"]}, "tools[0]"),
    ({"modalities": "text"}, "modalities"),
]


@pytest.mark.parametrize(("wrong", "param"), WRONG, ids=json.dumps)
def test_a_wrong_value_is_named_by_its_place(function_, wrong, param):
    error = refused(function_, HELLO | wrong)
    assert error["param"] == param
    assert param in error["message"]


@pytest.mark.parametrize("model", MODELS.values())
@pytest.mark.parametrize(
    ("wrong", "param"), [({"temperature": 3}, "temperature"), ({"n": 0}, "n"), ({"messages": []}, "messages")]
)
def test_invalid_body_is_a_400_for_every_publisher(function_, model, wrong, param):
    assert refused(function_, HELLO | {"model": model} | wrong)["param"] == param


@pytest.mark.parametrize(
    "wrong",
    [{"logit_bias": {"7": 101}}, {"logit_bias": {"7": "x"}}, {"metadata": {"a": 1}}, {"metadata": []}],
)
def test_a_wrong_value_in_a_map_is_named_by_the_map(function_, wrong):
    (name,) = wrong
    assert refused(function_, HELLO | wrong)["param"].startswith(name)


@pytest.mark.parametrize("name", ["model", "messages"])
def test_a_missing_parameter_is_named(function_, name):
    error = refused(function_, {key: value for key, value in HELLO.items() if key != name})
    assert (error["param"], error["code"]) == (name, "missing_required_parameter")


@pytest.mark.parametrize(
    "name",
    [
        "temperature",
        "top_p",
        "n",
        "stop",
        "seed",
        "max_tokens",
        "stream",
        "stream_options",
        "user",
        "logit_bias",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning_effort",
        "unknown",
    ],
)
@pytest.mark.parametrize("publisher", MODELS)
def test_null_is_like_a_missing_parameter(function_, notes, publisher, name):
    post(function_, question(publisher))
    post(function_, question(publisher) | {name: None})
    assert notes.calls[-1] == notes.calls[-2]


@pytest.mark.parametrize(
    "value",
    [
        {"temperature": 0},
        {"temperature": 2},
        {"temperature": 1},
        {"top_p": 1},
        {"top_p": 0},
        {"n": 1},
        {"stop": []},
        {"stop": ""},
        {"seed": -1},
        {"max_tokens": 1},
        {"presence_penalty": -2},
        {"logit_bias": {}},
        {"stream": True, "stream_options": None},
    ],
)
@pytest.mark.parametrize("publisher", MODELS)
def test_values_at_the_limits_are_allowed(function_, notes, publisher, value):
    before = len(notes.calls)
    post(function_, question(publisher) | value)
    assert len(notes.calls) == before + 1


def test_the_client_s_words_are_not_repeated_without_end(function_):
    long = "x" * 100_000
    for body in (
        HELLO | {"model": long},
        HELLO | {"reasoning_effort": long},
        message(role=long, content="x") | {"model": "m"},
    ):
        assert len(post(function_, body).data) < 5000


# Anything at all

KEYS = st.sampled_from(
    [
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "temperature",
        "top_p",
        "n",
        "stop",
        "seed",
        "max_tokens",
        "stream",
        "stream_options",
        "include_usage",
        "logprobs",
        "top_logprobs",
        "user",
        "name",
        "refusal",
        "max_completion_tokens",
        "logit_bias",
        "metadata",
        "presence_penalty",
        "unknown",
    ]
)
VALUES = st.sampled_from(
    [*MODELS.values(), "user", "system", "developer", "assistant", "text", "Hello", "", "👩‍👩‍👧", "\x00"]
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | VALUES
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=20,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system", "developer", "assistant"]), "content": VALUES | ANYTHING}
    )
    | ANYTHING,
    max_size=5,
)
BODIES = st.fixed_dictionaries(
    {"model": st.sampled_from(list(MODELS.values())), "messages": MESSAGES},
    optional=dict.fromkeys(
        (
            "temperature",
            "top_p",
            "n",
            "stop",
            "seed",
            "max_tokens",
            "stream",
            "stream_options",
            "user",
            "unknown",
        ),
        ANYTHING,
    ),
)


def is_no_fault_of_ours(answer):
    assert answer.status_code in {400, 404, 499}, answer.data
    if answer.status_code != 499:  # the call would have been made
        assert answer.json["error"].keys() == {"message", "type", "param", "code"}


@given(body=ANYTHING | BODIES)
@settings(max_examples=3 * settings().max_examples)
@example(body=HELLO | {"seed": 2**70})
@example(body=HELLO | {"messages": [{"role": "assistant", "content": None}]})
def test_no_json_is_our_fault(body):
    is_no_fault_of_ours(post(function(RecordingTransport()), json.dumps(body).encode()))


@given(body=st.binary() | st.text().map(str.encode))
def test_no_bytes_are_our_fault(body):
    is_no_fault_of_ours(post(function(RecordingTransport()), body))


SENSIBLE = st.fixed_dictionaries(
    {
        "model": st.sampled_from(list(MODELS.values())),
        "messages": st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.sampled_from(["user", "system", "developer", "assistant"]),
                    "content": st.text()
                    | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": st.text()})),
                }
            ),
            min_size=1,
        ),
    },
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "n": st.integers(1, 3),
        "stop": st.text() | st.lists(st.text(), max_size=4),
        "seed": st.integers(),
        "max_tokens": st.integers(min_value=1),
        "presence_penalty": st.floats(-2, 1.9),
        "frequency_penalty": st.floats(-2, 1.9),
        "user": st.text(),
        "stream": st.booleans(),
    },
)


@given(body=SENSIBLE)
@settings(max_examples=2 * settings().max_examples)
@example(body=HELLO | {"seed": 2**70})
@example(body=HELLO | {"max_tokens": 10**30})
@example(body=question("mistralai", seed=-1))
@example(
    body=question(
        "anthropic", messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "So: "}]
    )
)
@example(body=question("openapi", messages=[{"role": "assistant", "content": ""}]))
@example(body=question("openapi", messages=[{"role": "user", "content": []}]))
@example(body=question("ai21", n=2, temperature=0.0))
def test_every_valid_body_is_answered(shared_app, body):
    """An answer of the model, or a 400 in the upstream's words, never an error of ours."""
    answer = post(shared_app, body)
    assert answer.status_code in {200, 400}, answer.data
    if answer.status_code == 200 and body.get("stream"):
        assert answer.data.endswith(b"data: [DONE]\n\n")
