"""Embeddings of open models that Google serves."""

import pytest
from helpers.fixtures import post

from vertex_compat.publishers.openai_compat.maas_embeddings import MAX_TEXTS

MODEL = "intfloat/multilingual-e5-small-maas"


def test_openai_s_client_gets_the_embeddings(plain, emulator):
    answer = plain.embeddings.create(model=MODEL, input=["a", "b c"], dimensions=384, user="me")
    assert [len(item.embedding) for item in answer.data] == [384, 384]
    assert answer.usage.prompt_tokens == 3
    assert emulator.calls[-1].path.endswith("/endpoints/openapi/embeddings")
    assert emulator.calls[-1].json == {"model": MODEL, "input": ["a", "b c"]}


def test_many_texts_are_several_calls(app, emulator):
    texts = [f"Text {number}" for number in range(MAX_TEXTS + 1)]
    many = post(app, {"model": MODEL, "input": texts}, "/v1/embeddings").json["data"]
    assert len(emulator.calls) == 2
    last = post(app, {"model": MODEL, "input": texts[-1]}, "/v1/embeddings").json["data"]
    assert many[-1]["embedding"] == last[0]["embedding"]


def test_other_dimensions_are_refused(app):
    answer = post(app, {"model": MODEL, "input": "a", "dimensions": 8}, "/v1/embeddings")
    assert answer.json["error"]["param"] == "dimensions"


@pytest.mark.parametrize("body", [b'{"data": []}', b'{"data": [{"embedding": ["a"]}]}', b"{}"])
def test_an_answer_without_embeddings_is_a_502(app, emulator, body):
    emulator.script(body)
    assert post(app, {"model": MODEL, "input": "a"}, "/v1/embeddings").status_code == 502


def test_a_model_that_chats_embeds_nothing(app):
    answer = post(
        app, {"model": "meta/llama-4-maverick-17b-128e-instruct-maas", "input": "a"}, "/v1/embeddings"
    )
    assert answer.json["error"]["code"] == "model_not_found"
