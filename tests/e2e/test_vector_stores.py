"""`/vector_stores` with OpenAI's client, RAG Engine and a bucket."""

import io
import re

import openai
import pytest
from helpers.fixtures import post
from helpers.server import app_with_emulator

from vertex_compat.operations.vector_stores import filters

BUCKET = "emulated-bucket"
SKY = b"The sky is blue.\n\nClouds are white."
GRASS = b"Grass is green."


@pytest.fixture
def start(emulator, storage):  # noqa: ARG001  (an empty one)
    """`start(VERTEX_COMPAT_…="…")` is the function in this process, with a bucket."""

    def started(**env):
        env = {"GCS_BUCKET_NAME": BUCKET, "STORAGE_EMULATOR_HOST": emulator.host} | env
        return app_with_emulator(emulator, **env)

    return started


@pytest.fixture
def stored(start):
    return start()


def upload(app, data, name="a.txt", **headers):
    form = {"purpose": "assistants", "file": (io.BytesIO(data), name)}
    return app.post("/v1/files", data=form, headers=headers).json["id"]


def store_with(app, *files, **params):
    """A store whose files are all imported."""
    store = post(app, {"file_ids": list(files), **params}, "/v1/vector_stores").json
    return app.get(f"/v1/vector_stores/{store['id']}").json


def search(app, store, query, **params):
    return post(app, {"query": query, **params}, f"/v1/vector_stores/{store['id']}/search")


def test_openai_s_client_fills_and_searches_a_store(serve, storage):  # noqa: ARG001  (an empty one)
    with serve(GCS_BUCKET_NAME=BUCKET).client() as client:
        store = client.vector_stores.create(name="Nature", metadata={"a": "b"})
        file = client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id, file=("sky.txt", SKY), attributes={"kind": "sky"}
        )
        assert (file.status, file.attributes) == ("completed", {"kind": "sky"})
        batch = client.vector_stores.file_batches.upload_and_poll(
            vector_store_id=store.id, files=[("grass.txt", GRASS), ("empty.txt", b"emulator-unreadable")]
        )
        assert (batch.file_counts.completed, batch.file_counts.failed) == (1, 1)
        (result, *_) = client.vector_stores.search(store.id, query="blue sky", max_num_results=1)
        assert (result.filename, result.content[0].text, result.score) == ("sky.txt", "The sky is blue.", 1.0)
        read = client.vector_stores.retrieve(store.id)
        assert (read.name, read.metadata, read.status) == ("Nature", {"a": "b"}, "completed")
        assert (read.file_counts.total, read.usage_bytes) == (3, len(SKY) + len(GRASS))
        assert [item.id for item in client.vector_stores.list()] == [store.id]
        assert len(list(client.vector_stores.files.list(store.id, filter="failed"))) == 1
        assert client.vector_stores.files.delete(file.id, vector_store_id=store.id).deleted
        assert not [item for item in client.vector_stores.search(store.id, query="sky") if item.score]
        assert client.vector_stores.delete(store.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.vector_stores.retrieve(store.id)


def test_files_are_found_by_their_attributes(stored):
    sky, grass = upload(stored, SKY), upload(stored, GRASS)
    store = store_with(stored)
    for file, year in ((sky, 2025), (grass, 2026)):
        body = {"file_id": file, "attributes": {"year": year}}
        assert post(stored, body, f"/v1/vector_stores/{store['id']}/files").status_code == 200
        stored.get(f"/v1/vector_stores/{store['id']}")
    after = {"type": "gt", "key": "year", "value": 2025}
    assert {result["file_id"] for result in search(stored, store, "is", filters=after).json["data"]} == {
        grass
    }
    none = {"type": "eq", "key": "year", "value": 1}
    assert search(stored, store, "is", filters=none).json["data"] == []
    changed = post(stored, {"attributes": {"year": 1}}, f"/v1/vector_stores/{store['id']}/files/{sky}")
    assert changed.json["attributes"] == {"year": 1}
    assert {result["file_id"] for result in search(stored, store, "is", filters=none).json["data"]} == {sky}


def test_several_queries_are_one_search(stored):
    store = store_with(stored, upload(stored, SKY), upload(stored, GRASS))
    options = {"score_threshold": 0.5, "ranker": "default-2024-11-15"}
    answer = search(stored, store, ["blue", "green"], ranking_options=options, rewrite_query=True)
    texts = [result["content"][0]["text"] for result in answer.json["data"]]
    assert texts == ["The sky is blue.", "Grass is green."]
    assert answer.json["search_query"] == ["blue", "green"]
    assert answer.headers["x-vertex-compat-ignored"] == "ranking_options.ranker, rewrite_query"


def test_files_are_divided_as_the_client_says(stored, emulator):
    static = {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}
    chunking = {"type": "static", "static": static}
    store = store_with(stored, upload(stored, SKY), chunking_strategy=chunking)
    (started,) = [call.json for call in emulator.calls if call.path.endswith("ragFiles:import")]
    fixed = started["importRagFilesConfig"]["ragFileTransformationConfig"]["ragFileChunkingConfig"]
    assert fixed == {"fixedLengthChunking": {"chunkSize": 200, "chunkOverlap": 50}}
    (file,) = stored.get(f"/v1/vector_stores/{store['id']}/files").json["data"]
    assert file["chunking_strategy"] == chunking


def test_more_files_than_an_import_takes_follow_one_another(stored, emulator):
    files = [upload(stored, b"File %d." % number) for number in range(27)]
    created = post(stored, {"file_ids": files}, "/v1/vector_stores").json
    assert created["file_counts"]["in_progress"] == 27
    path = f"/v1/vector_stores/{created['id']}"
    assert stored.get(path).json["file_counts"]["completed"] == 25
    assert stored.get(path).json["file_counts"]["completed"] == 27
    imports = [call.json for call in emulator.calls if call.path.endswith("ragFiles:import")]
    assert [len(body["importRagFilesConfig"]["gcsSource"]["uris"]) for body in imports] == [25, 2]


def test_a_batch_that_waits_can_be_cancelled(stored):
    store = store_with(stored)
    body = {"file_ids": [upload(stored, b"File %d." % number) for number in range(26)]}
    path = f"/v1/vector_stores/{store['id']}/file_batches"
    batch = post(stored, body, path).json
    assert batch["status"] == "in_progress"
    # The look at the batch finishes the first import and starts the second: nothing waits any more.
    cancelled = stored.post(f"{path}/{batch['id']}/cancel").json
    assert cancelled["file_counts"]["completed"] == 25
    assert stored.get(f"{path}/{batch['id']}").json["status"] == "completed"
    assert len(stored.get(f"{path}/{batch['id']}/files?limit=100").json["data"]) == 26
    assert stored.get(f"{path}/vsfb_x").status_code == 404


def test_a_store_can_be_changed_and_expires(stored, monkeypatch):
    store = store_with(stored, upload(stored, SKY), expires_after={"anchor": "last_active_at", "days": 1})
    assert store["expires_at"] == store["last_active_at"] + 86_400
    changed = post(stored, {"name": "New", "metadata": {"x": "y"}}, f"/v1/vector_stores/{store['id']}").json
    assert (changed["name"], changed["metadata"]) == ("New", {"x": "y"})
    assert changed["expires_at"] == store["expires_at"]
    monkeypatch.setattr("vertex_compat.operations.vector_stores.records.DAY", -1)
    assert stored.get(f"/v1/vector_stores/{store['id']}").json["status"] == "expired"
    path = f"/v1/vector_stores/{store['id']}"
    file = upload(stored, GRASS)
    tool = {"type": "file_search", "vector_store_ids": [store["id"]]}
    response = {"model": "gemini-3.8-flash", "input": "sky", "tools": [tool]}
    for answer, param in (
        (search(stored, store, "sky"), "vector_store_id"),
        (post(stored, {"file_id": file}, f"{path}/files"), "vector_store_id"),
        (post(stored, {"file_ids": [file]}, f"{path}/file_batches"), "vector_store_id"),
        (post(stored, response, "/v1/responses"), "tools[0].vector_store_ids"),
    ):
        error = answer.json["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "expired", param)
    assert stored.get(path).json["file_counts"]["total"] == 1


def test_a_description_is_returned(stored):
    created = post(stored, {"description": "Of clouds"}, "/v1/vector_stores")
    assert "x-vertex-compat-ignored" not in created.headers
    path = f"/v1/vector_stores/{created.json['id']}"
    assert stored.get(path).json["description"] == "Of clouds"
    assert post(stored, {"name": "New"}, path).json["description"] == "Of clouds"


def test_stores_belong_to_the_key_that_made_them(start):
    app = start(VERTEX_COMPAT_API_KEYS="alice:sk-alice-00000000,bob:sk-bob-0000000000")
    alice, bob = ({"Authorization": f"Bearer sk-{key}"} for key in ("alice-00000000", "bob-0000000000"))
    file = upload(app, SKY, **alice)
    store = app.post("/v1/vector_stores", json={"file_ids": [file]}, headers=alice).json
    path = f"/v1/vector_stores/{store['id']}"
    assert app.get(path, headers=alice).status_code == 200
    assert app.get("/v1/vector_stores", headers=bob).json["data"] == []
    for method, at in (("GET", path), ("POST", f"{path}/search"), ("DELETE", path), ("GET", f"{path}/files")):
        body = {"query": "sky"} if method == "POST" else None
        assert app.open(at, method=method, json=body, headers=bob).status_code == 404
    assert app.post("/v1/vector_stores", json={"file_ids": [file]}, headers=bob).status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"query": " "}, "query"),
        ({"query": "a", "max_num_results": 51}, "max_num_results"),
        ({"query": "a", "filters": {"type": "like", "key": "a", "value": "b"}}, "filters"),
        ({"query": "a", "filters": {"type": "and", "filters": []}}, "filters.filters"),
        ({"query": "a", "filters": {"type": "in", "key": "a", "value": "b"}}, "filters.value"),
        ({"query": "a", "filters": {"type": "in", "key": "a", "value": [{}]}}, "filters.value"),
        ({"query": "a", "filters": {"type": "in", "value": ["b"]}}, "filters"),
    ],
)
def test_wrong_searches_are_refused(stored, body, param):
    store = store_with(stored)
    error = post(stored, body, f"/v1/vector_stores/{store['id']}/search").json["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def test_missing_resource_is_not_found(stored, app):
    store = store_with(stored)
    path = f"/v1/vector_stores/{store['id']}/files"
    assert stored.get("/v1/vector_stores/vs_x").status_code == 404
    assert stored.get("/v1/vector_stores/vs_..").status_code == 404
    assert post(stored, {"file_id": "file-x"}, path).json["error"]["param"] == "file_id"
    assert stored.get(f"{path}/{upload(stored, SKY)}").status_code == 404
    both = {"file_ids": ["a"], "files": [{"file_id": "a"}]}
    assert post(stored, both, f"/v1/vector_stores/{store['id']}/file_batches").status_code == 400
    assert post(app, {}, "/v1/vector_stores").json["error"]["code"] == "bucket_not_set"


@pytest.mark.parametrize(
    ("filter_", "fits"),
    [
        ({"type": "ne", "key": "a", "value": 1}, True),
        ({"type": "lte", "key": "a", "value": 2}, True),
        ({"type": "lt", "key": "a", "value": "2"}, False),
        ({"type": "gte", "key": "none", "value": 2}, False),
        ({"type": "nin", "key": "a", "value": [2, 3]}, False),
        ({"type": "eq", "key": "a", "value": 2.0}, True),
        ({"type": "eq", "key": "flag", "value": 1}, False),
        ({"type": "gte", "key": "flag", "value": 1}, False),
        ({"type": "in", "key": "flag", "value": [1, "true"]}, False),
        ({"type": "in", "key": "flag", "value": [True]}, True),
        (
            {
                "type": "or",
                "filters": [{"type": "eq", "key": "a", "value": 5}, {"type": "in", "key": "a", "value": [2]}],
            },
            True,
        ),
    ],
)
def test_filters_compare_attributes(filter_, fits):
    filters.check(filter_)
    assert filters.matches(filter_, {"a": 2, "flag": True}) is fits


def test_numbers_of_attributes_stay_as_they_are(stored):
    store, file = store_with(stored), upload(stored, SKY)
    attributes = {"id": 12345678901234567, "share": 0.5, "flag": True, "name": "x"}
    path = f"/v1/vector_stores/{store['id']}/files"
    post(stored, {"file_id": file, "attributes": attributes}, path)
    read = stored.get(f"{path}/{file}").json["attributes"]
    assert (read, type(read["id"])) == (attributes, int)
    long = post(stored, {"attributes": {"name": "x" * 513}}, f"{path}/{file}")
    assert long.status_code == 400


@pytest.fixture
def sdk_store(serve, storage):  # noqa: ARG001  (an empty one)
    with serve(GCS_BUCKET_NAME=BUCKET).client() as client:
        yield client, client.vector_stores.create()


def files_of(client, count):
    create = client.files.create
    return [create(file=(f"{number}.txt", SKY), purpose="assistants").id for number in range(count)]


def test_pages_before_and_after_a_file(sdk_store):
    client, store = sdk_store
    client.vector_stores.file_batches.create_and_poll(store.id, file_ids=files_of(client, 5))
    list_files = client.vector_stores.files.list
    ids = [file.id for file in list_files(store.id, limit=2)]
    assert len(set(ids)) == 5
    before = list_files(store.id, before=ids[3], limit=2)
    assert ([file.id for file in before.data], before.has_more) == (ids[1:3], True)
    first = list_files(store.id, before=ids[1])
    assert ([file.id for file in first.data], first.has_more) == (ids[:1], False)
    for options in ({"filter": "none"}, {"order": "up"}, {"limit": 0}):
        with pytest.raises(openai.BadRequestError) as refused:
            list_files(store.id, **options)
        assert refused.value.param == next(iter(options))
    with pytest.raises(openai.NotFoundError):
        list_files(store.id, before="file-x")


def test_stores_are_listed_in_pages(sdk_store):
    client, store = sdk_store
    newer = [client.vector_stores.create().id for _ in range(2)]
    ids = [*reversed(newer), store.id]
    assert [entry.id for entry in client.vector_stores.list(limit=2)] == ids
    assert [entry.id for entry in client.vector_stores.list(before=store.id, limit=1).data] == ids[1:2]
    assert [entry.id for entry in client.vector_stores.list(order="asc").data] == ids[::-1]


def test_files_of_a_batch_have_options_of_their_own(sdk_store):
    client, store = sdk_store
    first, second = files_of(client, 2)
    static = {"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 90}}
    batches = client.vector_stores.file_batches
    files = [{"file_id": first, "attributes": {"n": 1}}, {"file_id": second, "attributes": {"n": 2}}]
    files += [{"file_id": first, "attributes": {"n": 3}}]
    raw = batches.with_raw_response.create(store.id, files=files, attributes={"n": 4})
    assert raw.headers["x-vertex-compat-ignored"] == "attributes"
    assert raw.parse().file_counts.total == 2
    listed = client.vector_stores.files.list(store.id).data
    assert {file.id: file.attributes["n"] for file in listed} == {first: 3, second: 2}
    with pytest.raises(openai.BadRequestError) as refused:
        batches.create(store.id, files=[*files, {"file_id": first, "chunking_strategy": static}])
    assert refused.value.param == "files[3].chunking_strategy.static.chunk_overlap_tokens"


def test_unknown_parameters_are_named(sdk_store):
    client, store = sdk_store
    (file,) = files_of(client, 1)
    stores, extra = client.vector_stores.with_raw_response, {"colour": "blue"}
    for answer in (
        stores.create(extra_body=extra),
        stores.update(store.id, extra_body=extra),
        stores.search(store.id, query="sky", extra_body=extra),
        stores.files.create(store.id, file_id=file, extra_body=extra),
        stores.file_batches.create(store.id, file_ids=[file], extra_body=extra),
    ):
        assert answer.headers["x-vertex-compat-ignored"] == "colour"
    options = {"ranking_options": {"boost": 2, "hybrid_search": {"embedding_weight": 1, "text_weight": 1}}}
    ignored = stores.search(store.id, query="sky", extra_body=options).headers["x-vertex-compat-ignored"]
    assert ignored == "ranking_options.boost, ranking_options.hybrid_search"


def test_the_text_of_a_text_file_can_be_read(serve, storage):  # noqa: ARG001  (an empty one)
    with serve(GCS_BUCKET_NAME=BUCKET).client() as client:
        store = client.vector_stores.create()
        add, read = client.vector_stores.files.upload_and_poll, client.vector_stores.files.content
        text = add(vector_store_id=store.id, file=("sky.md", SKY))
        assert [content.text for content in read(text.id, vector_store_id=store.id)] == [SKY.decode()]
        other = add(vector_store_id=store.id, file=("sky.pdf", SKY))
        with pytest.raises(openai.BadRequestError):
            read(other.id, vector_store_id=store.id)


# The tool

MODELS = ("gemini-3.8-flash", "claude-sonnet-5-5", "mistral-small-2503")
QUESTION = "What is blue? Say: the sky 【1】"


def tool(store, **more):
    return {"type": "file_search", "vector_store_ids": [store["id"]], **more}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_tool_searches_for_the_last_message(serve, storage, emulator, model, stream):  # noqa: ARG001
    with serve(GCS_BUCKET_NAME=BUCKET).client() as client:
        store = client.vector_stores.create()
        sky = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=("sky.txt", SKY))
        arguments = {
            "model": model,
            "input": QUESTION,
            "tools": [{"type": "file_search", "vector_store_ids": [store.id], "max_num_results": 1}],
            "include": ["file_search_call.results"],
        }
        if stream:
            with client.responses.stream(**arguments) as events:
                kinds = [event.type for event in events]
                answer = events.get_final_response()
            assert "response.file_search_call.searching" in kinds
        else:
            answer = client.responses.create(**arguments)
    search_call, *other_items = answer.output
    assert [item.type for item in other_items if item.type != "reasoning"] == ["message"]
    assert (search_call.type, search_call.status) == ("file_search_call", "completed")
    assert search_call.queries == [QUESTION]
    assert [(item.file_id, item.filename, item.text) for item in search_call.results] == [
        (sky.id, "sky.txt", "The sky is blue.")
    ]
    assert b"The sky is blue." in emulator.calls[-1].body


def test_marks_in_the_text_cite_files(stored):
    file = upload(stored, SKY, "sky.txt")
    store = store_with(stored, file)
    body = {"model": MODELS[0], "input": QUESTION, "tools": [tool(store)]}
    output = post(stored, body, "/v1/responses").json["output"]
    (message,) = [item for item in output if item["type"] == "message"]
    (text,) = message["content"]
    marks = [match.start() for match in re.finditer("【[12]】", text["text"])]
    assert [item["index"] for item in text["annotations"]] == marks
    assert {(item["type"], item["file_id"], item["filename"]) for item in text["annotations"]} <= {
        ("file_citation", file, "sky.txt")
    }
    for choice in ({"type": "file_search"}, "required"):
        assert post(stored, body | {"tool_choice": choice}, "/v1/responses").status_code == 200


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"vector_store_ids": []}, "tools[0].vector_store_ids"),
        ({"vector_store_ids": ["vs_0"]}, "tools[0].vector_store_ids"),
        ({"max_num_results": 99}, "tools[0].max_num_results"),
        ({"filters": {"type": "x"}}, "tools[0].filters"),
    ],
)
def test_a_wrong_tool_is_refused(stored, more, param):
    store = store_with(stored)
    answer = post(stored, {"model": MODELS[0], "input": "Hi", "tools": [tool(store) | more]}, "/v1/responses")
    assert (answer.status_code // 100, answer.json["error"]["param"]) == (4, param)


def test_the_tool_does_not_search_where_none_may_be_used(stored, emulator):
    body = {"model": MODELS[0], "input": "Hi", "tools": [tool(store_with(stored))], "tool_choice": "none"}
    output = post(stored, body, "/v1/responses").json["output"]
    assert "file_search_call" not in {item["type"] for item in output}
    assert not [call for call in emulator.calls if call.path.endswith(":retrieveContexts")]


def test_options_that_the_tool_does_not_have_are_named(stored):
    ranking = {"ranker": "default-2024-11-15", "score_threshold": 0.1}
    file_search = tool(store_with(stored), ranking_options=ranking, colour="blue")
    answer = post(stored, {"model": MODELS[0], "input": "Hi", "tools": [file_search]}, "/v1/responses")
    names = answer.headers["x-vertex-compat-ignored"]
    assert names == "tools.file_search.colour, tools.file_search.ranking_options.ranker"


def test_the_tool_does_not_search_again_after_a_tool_s_result(stored, emulator):
    store = store_with(stored)
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "a", "output": "1"}
    function = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    messages = [{"role": "user", "content": "Hi"}, call, output]
    body = {"model": MODELS[0], "input": messages, "tools": [tool(store), function]}
    assert post(stored, body, "/v1/responses").status_code == 200
    assert not [
        upstream_call for upstream_call in emulator.calls if upstream_call.path.endswith(":retrieveContexts")
    ]


def test_a_search_of_files_that_is_not_allowed_is_not_made(stored, emulator):
    store = store_with(stored, upload(stored, SKY))
    function = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "file_search", "vector_store_ids": [store["id"]]}, function]
    body = {"model": "mistral-medium-3", "input": "sky", "tools": tools}
    for allowed, searches in ((function, 0), (tools[0], 1)):
        emulator.forget_calls()
        choice = {"type": "allowed_tools", "mode": "auto", "tools": [{**allowed, "parameters": None}]}
        answer = post(stored, body | {"tool_choice": choice}, "/v1/responses")
        assert answer.status_code == 200, answer.json
        assert len([call for call in emulator.calls if call.path.endswith(":retrieveContexts")]) == searches


def test_a_second_search_of_files_is_refused(stored):
    first, second = ({"type": "file_search", "vector_store_ids": [f"vs_{name}"]} for name in "ab")
    body = {"model": "gemini-3.8-flash", "input": "sky", "tools": [first, second]}
    error = post(stored, body, "/v1/responses").json["error"]
    assert (error["code"], error["param"]) == ("invalid_value", "tools[1]")
