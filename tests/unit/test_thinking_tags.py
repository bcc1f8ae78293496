"""Reasoning between tags: separated for models that are known to write them."""

import itertools
import json

import pytest
from helpers.fixtures import events_of, folded, post, question, reply_to
from helpers.server import app_with_emulator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vertex_compat.emulator.partner_models import deployed_endpoints
from vertex_compat.publishers.openai_compat import thinking_tags
from vertex_compat.routing import rules

R1 = "deepseek-ai/deepseek-r1-0528-maas"
"""Retired on 2026-10-21, as all models of the catalog whose answers have reasoning in tags."""


def chunk(text, **more):
    return {"choices": [{"index": 0, "delta": {"content": text, **more}, "finish_reason": None}]}


def end(text=""):
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}


def streamed(*chunks, model=R1):
    blocks = [f"data: {json.dumps(event)}\n\n".encode() for event in chunks]
    *read, _ = events_of(reply_to(question("openapi", model=model, stream=True), blocks, "text/event-stream"))
    return summary(folded(read))


def whole(text, model=R1):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return summary(reply_to(question("openapi", model=model), [json.dumps({"choices": [choice]}).encode()]))


def summary(answer):
    message = answer["choices"][0]["message"]
    return message.get("reasoning_content"), message["content"] or ""


PARTED = [
    ("<think>Two and two.</think>Four.", ("Two and two.", "Four.")),
    ("<think>\nTwo\n\nand two.\n</think>\n\nFour.\n", ("Two\n\nand two.", "Four.\n")),
    ("\n <think>Two.</think>Four.", ("Two.", "Four.")),
    ("<think>\n\n</think>\n\nFour.", (None, "Four.")),
    ("<think>Two.</think>", ("Two.", "")),
    ("<think>Cut off by the limit", ("Cut off by the limit", "")),
    (
        "<think>Is </thin the tag?</think>No: <think>a</think>.",
        ("Is </thin the tag?", "No: <think>a</think>."),
    ),
    ("<think>", (None, "")),
    ("Two and two.\n</think>\n\nFour.", ("Two and two.", "Four.")),
    ("</think>Four.", (None, "Four.")),
    ("Is it </thin? Yes.</think>Four: </think>.", ("Is it </thin? Yes.", "Four: </think>.")),
]

TEXTS = [
    "Four.",
    "",
    "<thinking>is another tag</thinking>",
    "Write <think>…</think> around it.",
    " <b>bold</b>",
    "<think",
    "<",
    "\n\n<thi",
    "<think is one, </thin> another",
]


@pytest.mark.parametrize(("text", "parts"), PARTED)
def test_text_between_leading_tags_is_reasoning(text, parts):
    assert whole(text) == parts
    assert streamed(chunk(text), end()) == parts
    assert streamed(*map(chunk, text), end()) == parts
    assert streamed(end(text)) == parts


@pytest.mark.parametrize("text", TEXTS)
def test_text_with_tags_inside_is_unchanged(text):
    assert whole(text) == (None, text)
    assert streamed(*map(chunk, text), end()) == (None, text)
    assert streamed(end(text)) == (None, text)


@pytest.mark.parametrize("model", ["xai/grok-4.7", "deepseek-ai/deepseek-v4.1-flash-maas"])
def test_another_model_s_tags_are_text(model):
    text = "<think>is how it begins</think>"
    assert whole(text, model) == (None, text)
    assert streamed(*map(chunk, text), end(), model=model) == (None, text)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "/", "think", ">", "\n", " ", "a", "Füße "])),
    st.lists(st.integers(0, 60), max_size=8),
)
@example(["<think>", "a", "</think>", "a"], [3, 9, 12])
def test_tags_cut_anywhere_give_the_same_reasoning(parts, cuts):
    text = "".join(parts)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[begin:end_] for begin, end_ in itertools.pairwise(places)]
    thought, content = whole(text)
    assert streamed(*map(chunk, pieces), end()) == (thought, content)
    opened = text.find("<think>")
    if not text.lstrip().startswith("<think>"):
        if "</think>" not in text or 0 <= opened < text.find("</think>"):
            assert (thought, content) == (None, text)
    elif "\n" not in text:
        assert (thought or "") + content == text.lstrip().removeprefix("<think>").replace("</think>", "", 1)


def test_tags_are_text_if_the_server_separates_the_thoughts():
    chunks = [chunk("", reasoning_content="Two."), chunk("<think>is a tag</think>"), end()]
    assert streamed(*chunks) == ("Two.", "<think>is a tag</think>")


def test_a_call_does_not_wait_for_a_tag():
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chunks = [chunk("\n<"), chunk("", tool_calls=[call]), end()]
    blocks = [f"data: {json.dumps(item)}\n\n".encode() for item in chunks]
    *read, _ = events_of(reply_to(question("openapi", model=R1, stream=True), blocks, "text/event-stream"))
    deltas = [item["choices"][0]["delta"] for item in read]
    (text,) = [place for place, delta in enumerate(deltas) if delta.get("content") == "\n<"]
    assert text <= next(place for place, delta in enumerate(deltas) if "tool_calls" in delta)


# Deployed models, of which the settings say it

TAGGED = f"openai/{deployed_endpoints.TAGGED}1"


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_tags_setting_splits_reasoning(emulator, tmp_path, stream):
    path = tmp_path / "vertex_compat.toml"
    path.write_text(f"[models.mine]\ntarget = '{TAGGED}'\nreasoning_tags = true")
    app = app_with_emulator(emulator, VERTEX_COMPAT_CONFIG=str(path))

    def say(model):
        answer = post(app, question("endpoints", model=model, stream=stream))
        if not stream:
            return summary(answer.json)
        *read, _ = events_of(answer.get_data())
        return summary(folded(read))

    thought, content = say("mine")
    assert thought
    assert "think>" not in thought + content
    assert say(TAGGED) == (None, f"<think>\n{thought}\n</think>\n\n{content}")


def test_tags_are_for_models_that_speak_openai_s_wire():
    table = {"models": {"mine": {"target": "claude-sonnet-5-5", "reasoning_tags": True}}}
    with pytest.raises(rules.ConfigError, match="reasoning_tags is for a deployed model"):
        rules.parse(table)


# Models whose chat template opens the tag

LONG = "Two and two. " * 300


def contents(*chunks):
    """The reasoning and the content of each of a stream's deltas, the empty ones left out."""
    blocks = [f"data: {json.dumps(item)}\n\n".encode() for item in chunks]
    *read, _ = events_of(reply_to(question("openapi", model=R1, stream=True), blocks, "text/event-stream"))
    deltas = [item["choices"][0]["delta"] for item in read]
    pairs = [(delta.get("reasoning_content") or "", delta.get("content") or "") for delta in deltas]
    return [pair for pair in pairs if any(pair)]


def test_long_reasoning_without_an_opening_tag_is_streamed():
    pieces = [LONG[start : start + 100] for start in range(0, len(LONG), 100)]
    deltas = contents(*map(chunk, pieces), chunk("\n</th"), chunk("ink>\n\nFour"), end("."))
    assert "".join(reasoning for reasoning, _ in deltas) == LONG
    assert "".join(content for _, content in deltas) == "Four."
    assert max(len(reasoning) for reasoning, _ in deltas) <= thinking_tags.MAX_UNDECIDED + 100
    assert len(deltas) > 10


def test_long_answer_without_tags_is_content_at_its_end():
    deltas = contents(chunk(LONG), chunk("So four"), end("."))
    assert "".join(reasoning for reasoning, _ in deltas) == f"{LONG}So four."
    assert deltas[-1][1] == f"{LONG}So four."
    assert whole(f"{LONG}So four.") == (None, f"{LONG}So four.")


def test_long_reasoning_that_is_cut_off_is_no_answer():
    cut = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
    assert contents(chunk(LONG), cut) == [(LONG, "")]


def test_text_without_tags_is_kept_up_to_a_bound():
    text = "a" * (thinking_tags.MAX_HELD // 2)
    deltas = contents(chunk(text), chunk(text), chunk("b"), chunk("c"), end())
    assert deltas == [(text, ""), (text, ""), ("b", text + text + "b"), ("", "c")]
