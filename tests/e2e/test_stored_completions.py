"""Chat completions with `store: true`, through OpenAI's SDK."""

import openai
import pytest

BUCKET = "memory-of-tests"
MODEL = "gemini-3.8-flash"
HELLO = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
]


@pytest.fixture
def client(serve, storage):  # noqa: ARG001  (an empty storage)
    with serve(GCS_BUCKET_NAME=BUCKET).client() as opened:
        yield opened


def complete(client, stream=False, **fields):
    completion = client.chat.completions.create(
        model=MODEL, messages=HELLO, store=True, stream=stream, **fields
    )
    if not stream:
        return completion.id
    (id_,) = {chunk.id for chunk in completion}
    return id_


@pytest.mark.parametrize("stream", [False, True])
def test_a_completion_is_stored_and_read(client, stream):
    id_ = complete(client, stream, metadata={"topic": "x"})
    read = client.chat.completions.retrieve(id_)
    assert (read.id, read.model) == (id_, MODEL)
    assert read.choices[0].message.content
    assert read.choices[0].finish_reason == "stop"
    assert read.usage.total_tokens > 0
    assert read.metadata == {"topic": "x"}


def test_messages_of_a_completion_are_listed_in_pages(client):
    path = f"/chat/completions/{complete(client)}/messages"
    page = client.get(path, cast_to=object, options={"params": {"limit": "1"}})
    (first,) = page["data"]
    assert (first["role"], first["content"], page["has_more"]) == ("system", "Be brief.", True)
    second = client.get(path, cast_to=object, options={"params": {"after": first["id"]}})
    assert [message["content_parts"] for message in second["data"]] == [[{"type": "text", "text": "Hi"}]]


def test_metadata_is_changed(client):
    id_ = complete(client, metadata={"a": "b"})
    assert client.chat.completions.update(id_, metadata={"c": "d"}).metadata == {"c": "d"}
    assert client.chat.completions.retrieve(id_).metadata == {"c": "d"}


def test_completions_are_listed_by_model_and_metadata(client):
    ids = [complete(client, metadata={"n": str(n % 2)}) for n in range(4)]
    assert [completion.id for completion in client.chat.completions.list(limit=2)] == ids
    assert [completion.id for completion in client.chat.completions.list(order="desc")] == ids[::-1]
    assert [completion.id for completion in client.chat.completions.list(metadata={"n": "1"})] == ids[1::2]
    assert not client.chat.completions.list(model="claude-opus-5").data


def test_a_deleted_completion_is_gone(client, storage):
    id_ = complete(client)
    assert client.chat.completions.delete(id_).deleted
    assert not storage.names(BUCKET)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(id_)


def test_nothing_is_stored_by_default(client, storage):
    completion = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert not storage.names(BUCKET)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(completion.id)
