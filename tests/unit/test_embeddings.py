"""`/embeddings` against the emulator, in process and with OpenAI's own client."""

import asyncio
import base64
import json
import math
import socket
import struct
import time

import openai
import pytest

from vertex_compat.operations.embeddings.embeddings import MAX_PARALLEL_CALLS


def embed(app, model="text-embedding-005", text="Hello", **more):
    return app.post("/v1/embeddings", json={"model": model, "input": text, **more})


def vectors(answer):
    assert answer.status_code == 200, answer.text
    return [item["embedding"] for item in answer.json["data"]]


def unpacked(text):
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [
        ("text-embedding-005", 768),
        ("vertex_ai/text-multilingual-embedding-002", 768),
        ("textembedding-gecko@003", 768),
        ("gemini-embedding-001", 3072),
        ("gemini-embedding-2", 3072),
        ("gemini/30721", 768),
        ("endpoints/30721", 768),
        ("multimodalembedding@001", 1408),
    ],
)
def test_every_kind_of_model_embeds(client, plain, model, dimensions):
    answer = client.embeddings.create(model=model, input=["one", "two"], encoding_format="float")
    packed = plain.embeddings.create(model=model, input=["one", "two"])
    assert packed.data[1].embedding == pytest.approx(answer.data[1].embedding, rel=1e-6)
    assert [item.index for item in answer.data] == [0, 1]
    assert [len(item.embedding) for item in answer.data] == [dimensions] * 2
    assert answer.data[0].embedding != answer.data[1].embedding
    assert answer.model == model


def test_an_async_client_embeds(front_door):
    async def embedded():
        async with openai.AsyncOpenAI(base_url=f"{front_door.url}/v1", api_key="unused") as client:
            return await client.embeddings.create(model="text-embedding-005", input="one")

    assert len(asyncio.run(embedded()).data[0].embedding) == 768


def test_both_encodings_hold_the_same_numbers(app):
    (floats,) = vectors(embed(app, encoding_format="float"))
    (packed,) = vectors(embed(app, encoding_format="base64"))
    assert unpacked(packed) == pytest.approx(floats, rel=1e-6)
    assert math.isclose(sum(number * number for number in floats), 1, rel_tol=1e-6)


def test_many_texts_come_back_in_their_order(app, emulator):
    texts = [f"text {number}" for number in range(1000)]
    many = vectors(embed(app, text=texts))
    some = vectors(embed(app, text=[texts[0], texts[249], texts[250], texts[999]]))
    assert len(many) == 1000
    assert some == [many[0], many[249], many[250], many[999]]
    calls = [call.json["instances"] for call in emulator.calls if call.path.endswith(":predict")][:-1]
    assert len(calls) == 4
    assert {len(call) for call in calls} == {250}


def test_long_texts_are_spread_over_calls_by_their_length(app, emulator):
    vectors(embed(app, text=["很长的文章。" * 300] * 40))
    assert len(emulator.calls) > 1
    assert sum(len(call.json["instances"]) for call in emulator.calls) == 40


def test_one_text_per_call_models_are_called_in_parallel(app, emulator):
    started = time.perf_counter()
    vectors(embed(app, "gemini-embedding-001-emulator-delay-0.1", [str(number) for number in range(64)]))
    assert time.perf_counter() - started < 3.2  # one after the other would be 6.4
    assert len(emulator.calls) == 64


def test_tokens_are_counted(client):
    answer = client.embeddings.create(model="text-embedding-005", input=["a b", "c"], encoding_format="float")
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3


def test_parameters_of_all_dialects_reach_google(app, emulator):
    answer = embed(
        app, dimensions=4, input_type="RETRIEVAL_DOCUMENT", title="A title", auto_truncate=False, user="me"
    )
    assert [len(vector) for vector in vectors(answer)] == [4]
    assert answer.headers["x-vertex-compat-ignored"] == "user"
    assert emulator.calls[-1].json == {
        "instances": [{"content": "Hello", "task_type": "RETRIEVAL_DOCUMENT", "title": "A title"}],
        "parameters": {"autoTruncate": False, "outputDimensionality": 4},
    }
    vectors(embed(app, "gemini-embedding-2", dimensions=4, task_type="RETRIEVAL_QUERY"))
    assert emulator.calls[-1].path.endswith("gemini-embedding-2:embedContent")
    assert emulator.calls[-1].json == {
        "content": {"parts": [{"text": "Hello"}]},
        "embedContentConfig": {"outputDimensionality": 4, "taskType": "RETRIEVAL_QUERY"},
    }


def test_endpoint_gets_the_field_of_its_container(app, emulator):
    assert len(vectors(embed(app, "endpoints/30721", instance_key="prompt"))[0]) == 1024
    assert emulator.calls[-1].json == {"instances": [{"prompt": "Hello"}]}
    refused = embed(app, "endpoints/30721", dimensions=4)
    assert (refused.status_code, refused.json["error"]["param"]) == (400, "dimensions")


IMAGE, VIDEO, DATA = "gs://bucket/a.png", "gs://bucket/a.mp4", "data:image/jpeg;base64,aGVsbG8="


@pytest.mark.parametrize(
    ("params", "instances"),
    [
        (IMAGE, [{"image": {"gcsUri": IMAGE, "mimeType": "image/png"}}]),
        (DATA, [{"image": {"bytesBase64Encoded": "aGVsbG8=", "mimeType": "image/jpeg"}}]),
        (["hey", IMAGE], [{"text": "hey", "image": {"gcsUri": IMAGE, "mimeType": "image/png"}}]),
        (["hey", VIDEO], [{"text": "hey", "video": {"gcsUri": VIDEO}}]),
        (
            [IMAGE, VIDEO],
            [{"image": {"gcsUri": IMAGE, "mimeType": "image/png"}, "video": {"gcsUri": VIDEO}}],
        ),
        (["one", "two"], [{"text": "one"}, {"text": "two"}]),
    ],
)
def test_texts_images_and_videos_share_a_space(plain, emulator, params, instances):
    answer = plain.embeddings.create(model="vertex_ai/multimodalembedding@001", input=params)
    assert len(answer.data) == (1 if isinstance(params, str) else len(params))
    upstream_instances = [instance for call in emulator.calls for instance in call.json["instances"]]
    assert sorted(upstream_instances, key=str) == instances


def test_media_of_one_instance_keep_their_order(app):
    image, text = vectors(embed(app, "multimodalembedding", [IMAGE, "hey"]))
    assert [image, text] == [
        *vectors(embed(app, "multimodalembedding", IMAGE)),
        *vectors(embed(app, "multimodalembedding", "hey")),
    ]


def test_gemini_embeds_files_too(app, emulator):
    assert len(vectors(embed(app, "gemini-embedding-2", [IMAGE, DATA]))) == 2
    parts = [call.json["content"]["parts"][0] for call in emulator.calls]
    assert {"fileData": {"mimeType": "image/png", "fileUri": IMAGE}} in parts
    assert {"inlineData": {"mimeType": "image/jpeg", "data": "aGVsbG8="}} in parts


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "text-embedding-005"}, 400, "input"),
        ({"model": "text-embedding-005", "input": ""}, 400, "input"),
        ({"model": "text-embedding-005", "input": []}, 400, "input"),
        ({"model": "text-embedding-005", "input": ["a", ""]}, 400, "input[1]"),
        ({"model": "text-embedding-005", "input": ["a"] * 2049}, 400, "input"),
        ({"model": "text-embedding-005", "input": 3}, 400, "input"),
        ({"model": "text-embedding-005", "input": [[1, 2], [-3]]}, 400, "input[1]"),
        ({"model": "text-embedding-005", "input": "a", "encoding_format": "int8"}, 400, "encoding_format"),
        ({"model": "text-embedding-005", "input": "a", "dimensions": 0}, 400, "dimensions"),
        ({"model": "text-embedding-005", "input": "a", "dimensions": 769}, 400, None),
        ({"model": "text-embedding-005", "input": "a", "task_type": "CHAT"}, 400, None),
        ({"model": "multimodalembedding@001", "input": "a", "dimensions": 3}, 400, "dimensions"),
        ({"model": "multimodalembedding@001", "input": VIDEO, "dimensions": 128}, 400, "dimensions"),
        ({"model": "multimodalembedding@001", "input": ["a", "gs://bucket/a"]}, 400, "input[1]"),
        ({"model": "multimodalembedding@001", "input": "gs://bucket/a.mp3"}, 400, "input[0]"),
        ({"model": "multimodalembedding@001", "input": "word " * 40}, 400, None),
        ({"model": "claude-sonnet-5-5", "input": "a"}, 404, "model"),
        ({"model": "text-embedding-of-tomorrow", "input": "a"}, 200, None),
        ({"model": "textembedding-bison", "input": "a"}, 404, "model"),
    ],
)
def test_input_that_cannot_be_embedded_is_named(app, body, status, param):
    answer = app.post("/v1/embeddings", json=body)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert answer.json["error"]["param"] == param


def test_the_first_error_is_the_answer(app, emulator):
    answer = embed(app, "gemini-embedding-001-emulator-status-429", ["a"] * 200)
    assert answer.status_code == 429
    assert len(emulator.calls) < 200  # those not begun were dropped


def test_too_few_embeddings_are_an_error_not_an_answer(app, emulator):
    emulator.script(b'{"predictions":[{"embeddings":{"values":[1.0],"statistics":{"token_count":1}}}]}')
    assert embed(app, text=["a", "b"]).status_code == 502


@pytest.mark.parametrize("message", [b"", b"<html>", b"[]", b"{}", b'{"error":{"code":500,"message":"no"}}'])
def test_response_without_embedding_is_a_502(app, emulator, message):
    emulator.script(message)
    assert embed(app).status_code == 502


def test_a_retired_model_names_its_successor(app, emulator):
    emulator.script(b'{"error":{"code":404,"message":"Not found.","status":"NOT_FOUND"}}', status=404)
    emulator.script(b'{"error":{"code":404,"message":"Not found.","status":"NOT_FOUND"}}', status=404)
    answer = embed(app, "textembedding-gecko@001")
    assert "text-embedding-005" in answer.json["error"]["message"]


def test_a_model_that_cannot_answer_is_stood_in_for(serve, tmp_path):
    path = tmp_path / "vertex_compat.toml"
    path.write_text(
        '[models.embed]\ntarget = "text-embedding-emulator-status-503"\nfallbacks = ["text-embedding-005"]\n'
    )
    with serve(VERTEX_COMPAT_CONFIG=str(path)).client() as client:
        answer = client.embeddings.with_raw_response.create(
            model="embed", input=["a", "b"], encoding_format="float"
        )
    assert answer.headers["x-vertex-compat-target"].startswith("google/text-embedding-005;")
    assert answer.parse().model == "embed"


def test_a_client_that_leaves_ends_all_calls(serve_alone):
    running = serve_alone()
    body = json.dumps({"model": "gemini-embedding-001-emulator-delay-9", "input": ["a"] * 200}).encode()
    head = f"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(running.address) as line:
        line.sendall(head.encode() + body)
        running.emulator.wait_for(lambda calls: len(calls) == MAX_PARALLEL_CALLS)
    calls = running.emulator.wait_for(lambda calls: all(call.ended for call in calls))
    assert {call.ended for call in calls} == {"client_left"}
    assert len(calls) < 2 * MAX_PARALLEL_CALLS


@pytest.mark.parametrize(
    "message", [b'{"predictions":["a text"]}', b'{"predictions":[[]]}', b'{"predictions":[]}']
)
def test_an_endpoint_that_does_not_embed_is_a_bad_gateway(app, emulator, message):
    emulator.script(message)
    assert embed(app, "endpoints/30721").status_code == 502
