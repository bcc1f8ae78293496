"""Golden pairs: a request and its call, an upstream's answer and the client's."""

from collections import Counter

from helpers.fixtures import (
    FIXTURES,
    CannedTransport,
    cases,
    counted,
    function,
    post,
    reply_to,
    upstream_call,
    upstream_calls,
    without,
)


@cases("vertex.json")
def test_a_request_becomes_the_call(case):
    expected = case.json("vertex.json")
    call = upstream_call(case.question())
    assert call.path == expected["path"]
    assert call.version == expected["version"]
    assert call.body == expected["body"]
    assert Counter(call.ignored) == Counter(expected["ignored"])


@cases("vertex.json")
def test_n_choices_are_one_call_or_n_calls(case):
    assert len(upstream_calls(case.question())) == case.json("vertex.json").get("times", 1)


@cases("vertex.json")
def test_a_call_holds_no_null_at_any_depth(case):
    assert not list(nulls(upstream_call(case.question()).body))


def nulls(value, place=""):
    """Yield the paths at which a value holds None."""
    if value is None:
        yield place
    elif isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nulls(item, f"{place}.{name}")


@cases("reply.json")
def test_a_reply_becomes_the_answer(case):
    answer = reply_to(case.question(), [case.path("reply.json").read_bytes()])
    assert counted(without(answer, "id", "created")) == case.json("answer.json")
    assert answer["id"].startswith("chatcmpl-")
    assert answer["created"] > 1_700_000_000


@cases("reply.json")
def test_a_reply_may_come_in_pieces(case):
    reply = case.path("reply.json").read_bytes()
    pieces = [reply[place : place + 5] for place in range(0, len(reply), 5)]
    answer = reply_to(case.question(), pieces)
    assert counted(without(answer, "id", "created")) == case.json("answer.json")


@cases("vertex.json")
def test_ignored_parameters_are_named_in_a_header(case):
    reply = next(FIXTURES.glob(f"{case.publisher}/*.reply.json")).read_bytes()
    network = CannedTransport([reply], "application/json")
    answer = post(function(network), case.question(stream=False, stream_options=None))
    assert answer.status_code == 200
    named = answer.headers.get("x-vertex-compat-ignored", "")
    assert sorted(filter(None, named.split(", "))) == sorted(case.json("vertex.json")["ignored"])
