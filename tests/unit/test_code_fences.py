"""Code fences around JSON that a model was only instructed to write."""

import json

import pytest
from helpers.fixtures import ScriptedTransport, events_of, function, post
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat.publishers.code_fences import MAX_HELD, FenceRemover

ANSWER = '{"a": "`x`\\n```"}'


def unfenced(pieces):
    remover = FenceRemover()
    texts = [remover.feed(piece, is_last=False) for piece in pieces]
    return "".join([*texts, remover.feed("", is_last=True)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"```json\n{ANSWER}\n```", ANSWER),
        (f" \n```JSON\r\n{ANSWER}\r\n```\r\n", ANSWER),
        (f"```\n{ANSWER}```", ANSWER),
        (f"```json {ANSWER}\n\n```\n\nThis is the JSON.", ANSWER),
        (f"```json\n{ANSWER}", ANSWER),
        (ANSWER, ANSWER),
        (f"\n{ANSWER}\n", f"\n{ANSWER}\n"),
        ("```python\nprint()\n```", "```python\nprint()\n```"),
        ("`a`", "`a`"),
        ("Look:\n```json\n1\n```", "Look:\n```json\n1\n```"),
        ("```", "```"),
        ("", ""),
    ],
)
def test_fence_is_removed_whole_and_in_pieces(text, expected):
    assert unfenced([text]) == expected
    assert unfenced(text) == expected


@given(st.lists(st.text('`\n jsonx{"', max_size=8)))
def test_pieces_do_not_matter(pieces):
    assert unfenced(pieces) == unfenced(["".join(pieces)])


def test_little_is_held_back():
    remover = FenceRemover()
    assert remover.feed("```json\n{", is_last=False) == "{"
    assert remover.feed(" " * MAX_HELD + "\n", is_last=False) == " " * MAX_HELD + "\n"
    assert remover.feed('"a"', is_last=False) == '"a"'


def gemini(content, finish=None):
    candidate = {"content": {"role": "model", "parts": [{"text": content}]}}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})]}


REQUEST = {
    "messages": [{"role": "user", "content": "Hi"}],
    "response_format": {"type": "json_object"},
    "tools": [{"type": "function", "function": {"name": "f"}}],
}


def content_of(answer, *, stream):
    if not stream:
        return answer.json["choices"][0]["message"]["content"]
    choices = [choice for event in events_of(answer.get_data())[:-1] for choice in event["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize("stream", [False, True])
def test_gemini_2_5_s_instructed_json_has_no_fence(stream):
    chunks = [gemini("``"), gemini("`json\n"), gemini('{"a":'), gemini(" 1}\n``"), gemini("`", "STOP")]
    whole = gemini('```json\n{"a": 1}\n```', "STOP")
    transport = ScriptedTransport(chunks if stream else whole)
    answer = post(function(transport), REQUEST | {"model": "gemini-2.5-flash", "stream": stream})
    assert json.loads(content_of(answer, stream=stream)) == {"a": 1}


def test_jamba_s_instructed_json_has_no_fence():
    message = {"role": "assistant", "content": '```json\n{"a": 1}\n```'}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    answer = post(function(ScriptedTransport(body)), REQUEST | {"model": "jamba-1.5-large"})
    assert answer.json["choices"][0]["message"]["content"] == '{"a": 1}'


def test_text_that_was_not_instructed_keeps_its_fence():
    request = {name: value for name, value in REQUEST.items() if name != "response_format"}
    transport = ScriptedTransport(gemini("```json\n{}\n```", "STOP"))
    answer = post(function(transport), request | {"model": "gemini-2.5-flash"})
    assert answer.json["choices"][0]["message"]["content"] == "```json\n{}\n```"
