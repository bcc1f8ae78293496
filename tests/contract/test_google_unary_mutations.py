"""Google's embeddings and images with one changed value: a result or a clear error."""

import json

import pytest
from helpers.fixtures import CannedTransport, function, post
from helpers.mutations import mutations

PREDICT = {
    "predictions": [
        {"embeddings": {"values": [0.1, 0.2], "statistics": {"token_count": 4.0, "truncated": False}}}
    ],
    "metadata": {"billableCharacterCount": 5},
}
EMBED_CONTENT = {"embedding": {"values": [0.1, 0.2]}, "usageMetadata": {"promptTokenCount": 4}}
MULTIMODAL = {"predictions": [{"textEmbedding": [0.1, 0.2]}]}
IMAGE = {
    "candidates": [
        {
            "content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]},
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12},
}
NO_IMAGE = {"candidates": [{"finishReason": "NO_IMAGE", "finishMessage": "Not drawn."}]}


@pytest.mark.parametrize(
    ("path", "request_", "response"),
    [
        ("/v1/embeddings", {"model": "text-embedding-005", "input": "a"}, PREDICT),
        ("/v1/embeddings", {"model": "gemini-embedding-2", "input": "a"}, EMBED_CONTENT),
        ("/v1/embeddings", {"model": "multimodalembedding", "input": "a"}, MULTIMODAL),
        ("/v1/images/generations", {"model": "gemini-3.1-flash-image", "prompt": "a"}, IMAGE),
        ("/v1/images/generations", {"model": "gemini-3.1-flash-image", "prompt": "a"}, NO_IMAGE),
    ],
    ids=["predict", "embedContent", "multimodal", "image", "no-image"],
)
def test_changed_value_is_never_an_unexpected_error(path, request_, response):
    for place, mutated in mutations(response):
        transport = CannedTransport([json.dumps(mutated).encode()], "application/json")
        answer = post(function(transport), request_, path)
        detail = f"{place}: {answer.status_code} {answer.get_data()[:300]}"
        assert answer.status_code in {200, 400, 502}, detail
        if answer.status_code != 200:
            assert answer.json["error"]["message"], detail


def test_error_has_the_reason_of_a_missing_image():
    transport = CannedTransport([json.dumps(NO_IMAGE).encode()], "application/json")
    request = {"model": "gemini-3.1-flash-image", "prompt": "a"}
    answer = post(function(transport), request, "/v1/images/generations")
    assert answer.status_code == 400
    assert "Not drawn." in answer.json["error"]["message"]
