"""Embeddings on the emulator: limits as documented, and vectors that can be told apart."""

import math

import pytest

TEXT = "/publishers/google/models/{}:predict"


def predict(vertex, instances, parameters=None, model="text-embedding-005"):
    body = {"instances": instances} | ({"parameters": parameters} if parameters is not None else {})
    return vertex.post(TEXT.format(model), body)


def refusal(answer):
    assert answer.status_code == 400, answer.text
    assert answer.json["error"]["status"] == "INVALID_ARGUMENT"
    return answer.json["error"]["message"]


def test_a_text_gets_a_vector_of_unit_length(vertex):
    answer = predict(vertex, [{"content": "Hello", "task_type": "RETRIEVAL_QUERY", "title": "t"}])
    (prediction,) = answer.json["predictions"]
    values = prediction["embeddings"]["values"]
    assert len(values) == 768
    assert math.isclose(sum(value * value for value in values), 1)
    assert prediction["embeddings"]["statistics"] == {"token_count": 1, "truncated": False}


@pytest.mark.parametrize(
    ("model", "most"),
    [("text-embedding-005", 250), ("gemini-embedding-001", 1), ("textembedding-gecko@003", 5)],
)
def test_a_call_takes_so_many_texts(vertex, model, most):
    assert predict(vertex, [{"content": "a"}] * most, model=model).status_code == 200
    assert "instance(s)" in refusal(predict(vertex, [{"content": "a"}] * (most + 1), model=model))


@pytest.mark.parametrize(
    ("instances", "parameters"),
    [
        ([], None),
        ([{"content": ""}], None),
        ([{"text": "a"}], None),
        ([{"content": "a", "task_type": "CHAT"}], None),
        ([{"content": "a"}], {"outputDimensionality": 769}),
        ([{"content": "a"}], {"dimensions": 3}),
        ([{"content": "word " * 3000}], {"autoTruncate": False}),
        ([{"content": "word " * 3000}] * 8, None),
    ],
)
def test_what_google_refuses_is_refused(vertex, instances, parameters):
    refusal(predict(vertex, instances, parameters))


def test_a_long_text_is_cut_off_and_says_so(vertex):
    answer = predict(vertex, [{"content": "word " * 3000}])
    assert answer.json["predictions"][0]["embeddings"]["statistics"] == {
        "token_count": 2048,
        "truncated": True,
    }


def test_a_content_gets_one_vector(vertex):
    path = "/publishers/google/models/gemini-embedding-2:embedContent"
    content = {"parts": [{"text": "Hello"}]}
    answer = vertex.post(path, {"content": content, "embedContentConfig": {"outputDimensionality": 8}})
    assert len(answer.json["embedding"]["values"]) == 8
    refusal(vertex.post(path, {"content": {"parts": []}}))
    refusal(vertex.post(path, {"content": content, "taskTypes": []}))
    refusal(vertex.post(path.replace("-embedding-2", "-2.5-flash"), {"content": content}))


def test_the_multimodal_model_takes_one_instance(vertex):
    image = {"gcsUri": "gs://bucket/a.png"}
    instance = {"text": "hey", "image": image, "video": {"gcsUri": "gs://bucket/a.mp4"}}
    (prediction,) = predict(vertex, [instance], model="multimodalembedding@001").json["predictions"]
    assert len(prediction["textEmbedding"]) == len(prediction["imageEmbedding"]) == 1408
    assert [embedding["startOffsetSec"] for embedding in prediction["videoEmbeddings"]] == [0, 16]
    for instances, parameters in (
        ([instance] * 2, None),
        ([{}], None),
        ([instance], {"dimension": 128}),
        ([{"text": "hey"}], {"dimension": 100}),
        ([{"image": {"gcsUri": "https://example.com/a.png"}}], None),
        ([{"image": {"gcsUri": "gs://a/b.png", "bytesBase64Encoded": "aGk="}}], None),
    ):
        refusal(predict(vertex, instances, parameters, "multimodalembedding@001"))


def test_container_s_instance_key_selects_its_response_form(vertex):
    path = "/endpoints/30721:predict"
    tuned, tokens, flat = (
        vertex.post(path, {"instances": [{key: "a b"}]}).json["predictions"][0]
        for key in ("content", "inputs", "prompt")
    )
    assert len(tuned["embeddings"]["values"]) == 768
    assert [len(vector) for vector in tokens] == [768, 768]
    assert len(flat) == 1024
    refusal(vertex.post(path, {"instances": [{"words": "a"}]}))
    refusal(vertex.post(path, {"instances": []}))


def test_a_chat_model_does_not_predict(vertex):
    assert predict(vertex, [{"content": "a"}], model="gemini-3.8-flash").status_code == 404
