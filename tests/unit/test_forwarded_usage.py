"""Token counts are found in forwarded responses, however blocks divide them, and in no text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat.operations.service import forwarded_usage

GEMINI = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
TEXT = {
    "text": '"usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1} "usage": {"prompt_tokens": 1}'
}


def event(**fields):
    return b"data: " + json.dumps(fields).encode() + b"\r\n\r\n"


STREAMS = {
    "google": event(candidates=[{"content": {"parts": [TEXT]}}], usageMetadata={"promptTokenCount": 7})
    + event(candidates=[{"content": {"parts": [TEXT]}}], usageMetadata=GEMINI),
    "anthropic": event(type="message_start", message={"usage": {"input_tokens": 7, "output_tokens": 1}})
    + event(type="content_block_delta", delta=TEXT)
    + event(type="message_delta", usage={"output_tokens": 5}),
    "openapi": event(choices=[{"delta": TEXT}], usage=None)
    + event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}),
}


def counts(publisher, blocks):
    usages = {}
    assert b"".join(forwarded_usage.with_usage(iter(blocks), publisher, usages)) == b"".join(blocks)
    return [(usage.prompt, usage.completion) for usage in usages.values()]


@pytest.mark.parametrize("publisher", STREAMS)
@given(size=st.integers(1, 300))
def test_counts_are_found_however_blocks_divide_them(publisher, size):
    stream = STREAMS[publisher]
    blocks = [stream[start : start + size] for start in range(0, len(stream), size)]

    assert counts(publisher, blocks) == [(7, 5)]


@pytest.mark.parametrize("publisher", STREAMS)
def test_texts_of_a_model_are_no_counts(publisher):
    assert counts(publisher, [json.dumps({"text": json.dumps(TEXT)}).encode()]) == []


@pytest.mark.parametrize(
    "tail", [b"null}", b': {"promptTokenCount": ', b":[1]}", b": {" + b"x" * 100_000, b""]
)
def test_key_without_an_object_is_passed_on(tail):
    assert counts("google", [b'{"usageMetadata"' + tail]) == []


def test_counts_after_an_object_without_end_are_found():
    broken = b'{"usageMetadata": {' + b"x" * 100_000

    assert counts("google", [broken, b'"usageMetadata": ' + json.dumps(GEMINI).encode()]) == [(7, 5)]
