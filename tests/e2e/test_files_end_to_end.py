"""`/files`, from OpenAI's client to a Cloud Storage and back."""

import json
import socket

import openai
import pytest
from helpers.server import app_with_emulator
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat.ids import IdSigner
from vertex_compat.operations.files.bucket import UPLOAD_CHUNK
from vertex_compat.operations.files.jsonl import lines

BUCKET = "files-of-tests"
LITELLM = {"custom_llm_provider": "vertex_ai"}
SECRET = "a secret of sixteen characters"
LARGE = bytes(range(256)) * (11 * 1024 * 4 + 3)  # 11 MB and a bit


@pytest.fixture
def front(serve, storage):  # noqa: ARG001  (an empty one)
    return serve(GCS_BUCKET_NAME=BUCKET)


@pytest.fixture
def client(front):
    with front.client() as opened:
        yield opened


@pytest.fixture
def local(emulator, storage):  # noqa: ARG001  (an empty one)
    """`local("bucket")` is the function in this process, with that bucket."""

    def start(bucket=BUCKET, **env):
        names = {"GCS_BUCKET_NAME": bucket} if bucket else {}
        return app_with_emulator(emulator, STORAGE_EMULATOR_HOST=emulator.host, **names, **env)

    return start


def file_id(bucket, name):
    return IdSigner(SECRET).encode("file-", f"gs://{bucket}/{name}")


FORM = "multipart/form-data; boundary=B"


def part(name, data, filename=None):
    named = f'name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return f"--B\r\nContent-Disposition: form-data; {named}\r\n\r\n".encode() + data + b"\r\n"


def upload(app, data=b"x", filename="a.txt", purpose="user_data", **fields):
    fields |= {"purpose": purpose} if purpose else {}
    parts = [part(name, value.encode()) for name, value in fields.items()]
    parts += [part("file", data, filename)] if filename else []
    return app.post("/v1/files", data=b"".join([*parts, b"--B--\r\n"]), content_type=FORM)


def test_a_file_s_life(client, storage):
    file = client.files.create(file=("ü x.jsonl", b"hello"), purpose="batch", extra_body=LITELLM)
    assert (file.bytes, file.filename, file.purpose, file.object) == (5, "ü x.jsonl", "batch", "file")
    (name,) = storage.names(BUCKET)
    assert name.startswith("vertex_compat/shared/files/")
    assert name.endswith(".jsonl")
    for reference in (file.id, f"gs://{BUCKET}/{name}"):
        assert client.files.retrieve(reference) == file
        assert client.files.content(reference).read() == b"hello"
    assert client.files.list().data == [file]
    assert client.files.delete(file.id).model_dump() == {"id": file.id, "object": "file", "deleted": True}
    assert not storage.names(BUCKET)
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        client.files.retrieve(file.id)


@pytest.mark.parametrize("size", [0, 1, UPLOAD_CHUNK - 1, UPLOAD_CHUNK, UPLOAD_CHUNK + 1, len(LARGE)])
def test_every_byte_comes_back(client, storage, size):
    file = client.files.create(file=("x.bin", LARGE[:size]), purpose="user_data")
    assert file.bytes == size
    assert client.files.content(file.id).read() == LARGE[:size]
    assert not storage.sessions


def test_a_form_with_two_files_stores_none(local, storage):
    parts = [part("purpose", b"user_data"), part("file", b"a", "a.txt"), part("file", b"b", "b.txt")]
    answer = local().post("/v1/files", data=b"".join([*parts, b"--B--\r\n"]), content_type=FORM)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "file")
    assert not storage.names(BUCKET)


def test_a_range_of_a_file_has_both_lengths(client):
    file = client.files.create(file=("a.txt", b"0123456789"), purpose="user_data")
    answer = client.files.with_raw_response.content(file.id, extra_headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.content) == (206, b"234")
    assert answer.headers["Content-Length"] == "3"
    with pytest.raises(openai.APIStatusError) as refused:
        client.files.content(file.id, extra_headers={"Range": "bytes=10-"})
    assert (refused.value.status_code, refused.value.code) == (416, "range_not_satisfiable")
    assert refused.value.response.headers["Content-Range"] == "bytes */10"


def test_a_large_file_is_sent_in_pieces(client, emulator):
    client.files.create(file=("x.bin", LARGE), purpose="user_data")
    ranges = [call.headers["content-range"] for call in emulator.calls if call.method == "PUT"]
    assert ranges[0] == f"bytes 0-{UPLOAD_CHUNK - 1}/*"
    assert ranges[-1].endswith(f"/{len(LARGE)}")
    assert len(ranges) == 3


@pytest.mark.parametrize("size", [3, len(LARGE)])
def test_form_fields_after_the_file_count(front, storage, size):
    body = part("file", LARGE[:size], "late.bin") + part("purpose", b"vision") + b"--B--\r\n"
    with front.client() as client:
        response = client._client.post(
            f"{front.url}/v1/files", content=body, headers={"Content-Type": FORM}
        ).json()
    assert (response["bytes"], response["purpose"]) == (size, "vision")
    (stored,) = storage.objects[BUCKET].values()
    assert stored.metadata == {"filename": "late.bin", "purpose": "vision"}


@pytest.mark.parametrize("bucket", ["emulator-partial", "emulator-flaky"])
def test_a_piece_that_is_not_taken_whole_is_sent_again(local, storage, bucket):
    app = local(bucket, VERTEX_COMPAT_RETRIES="1")
    file = upload(app, LARGE)
    assert file.status_code == 200, file.text
    (stored,) = storage.objects[bucket].values()
    assert stored.data == LARGE


def test_an_upload_that_breaks_off_leaves_nothing(front, storage, emulator):
    with socket.create_connection(front.address) as line:
        line.sendall(f"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\n".encode())
        line.sendall(b"Content-Length: 99000000\r\n\r\n")
        line.sendall(part("purpose", b"batch") + part("file", LARGE, "x"))
        emulator.wait_for(
            lambda calls: [call for call in calls if call.method == "PUT" and call.status == 308]
        )
    emulator.wait_for(
        lambda calls: [call for call in calls if call.method == "DELETE" and call.status == 499]
    )
    assert not storage.names(BUCKET)
    assert not storage.sessions


def test_a_form_that_ends_too_soon_is_refused_and_leaves_nothing(local, storage):
    answer = local().post("/v1/files", data=part("file", b"abc", "x"), content_type=FORM)
    assert answer.status_code == 400
    assert "could not be read to its end" in answer.json["error"]["message"]
    assert not storage.names(BUCKET)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"purpose": None}, "purpose"),
        ({"purpose": "nonsense"}, "purpose"),
        ({"filename": None}, "file"),
        ({"filename": "x" * 2000}, "file"),
    ],
)
def test_a_wrong_form_is_refused_by_name_and_leaves_nothing(local, storage, form, param):
    answer = upload(local(), **form)
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == param
    assert not storage.names(BUCKET)


def test_a_body_that_is_no_form_is_refused(local):
    answer = local().post("/v1/files", json={"purpose": "batch"})
    assert answer.status_code == 400
    assert "multipart/form-data" in answer.json["error"]["message"]


def test_expiry_is_named_as_ignored(local):
    answer = upload(local(), **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"})
    assert answer.status_code == 200
    assert answer.headers["x-vertex-compat-ignored"] == "expires_after"


def test_pages_are_newest_first_or_oldest_first(client):
    files = [
        client.files.create(file=(f"{n}.txt", b"x"), purpose="vision" if n % 2 else "user_data")
        for n in range(7)
    ]
    newest = [file.id for file in client.files.list(limit=2)]
    assert sorted(newest) == sorted(file.id for file in files)
    page = client.files.list(limit=3)
    assert (len(page.data), page.has_more) == (3, True)
    assert page.data[0].created_at >= page.data[-1].created_at
    oldest = [file.id for file in client.files.list(limit=3, order="asc")]
    assert oldest == newest[::-1]
    odd = {file.filename for file in client.files.list(purpose="vision", limit=1)}
    assert odd == {"1.txt", "3.txt", "5.txt"}
    with pytest.raises(openai.BadRequestError, match="limit"):
        client.files.list(limit=0)


@pytest.mark.parametrize(
    ("bucket", "status", "word"),
    [
        ("", 400, "GCS_BUCKET_NAME"),
        ("emulator-missing", 400, "GCS_BUCKET_NAME"),
        ("emulator-denied", 403, "roles/storage.objectUser"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_named(local, bucket, status, word):
    app = local(bucket)
    for answer in (upload(app), app.get("/v1/files")):
        assert answer.status_code == status
        assert answer.json["error"].keys() == {"message", "type", "param", "code"}
        assert word in answer.json["error"]["message"]


def test_missing_and_foreign_files_are_not_found(local, storage):
    app = local(VERTEX_COMPAT_SECRET=SECRET)
    storage.write("gs://secrets/vertex_compat/shared/files/x", b"secret")
    storage.write(f"gs://{BUCKET}/private/x", b"secret")
    storage.write(f"gs://{BUCKET}/vertex_compat/k-alice/files/x", b"secret")
    for reference in (
        "file-nonsense",
        file_id(BUCKET, "vertex_compat/shared/files/no"),
        file_id(BUCKET, "private/x"),
        file_id(BUCKET, "vertex_compat/k-alice/files/x"),
        file_id("secrets", "vertex_compat/shared/files/x"),
        f"gs://{BUCKET}/private/x",
        "gs://secrets/vertex_compat/shared/files/x",
    ):
        for answer in (
            app.get(f"/v1/files/{reference}"),
            app.get(f"/v1/files/{reference}/content"),
            app.delete(f"/v1/files/{reference}"),
        ):
            assert answer.status_code == 404, reference
            assert "secret" not in answer.text.replace("gs://secrets", "")
    assert storage.names("secrets")


def test_only_files_can_be_deleted(local, storage):
    name = "vertex_compat/shared/batch-data/x/lines.jsonl"
    storage.write(f"gs://{BUCKET}/{name}", b"{}")
    app = local(VERTEX_COMPAT_SECRET=SECRET)
    assert app.delete(f"/v1/files/{file_id(BUCKET, name)}").status_code == 404
    assert storage.names(BUCKET) == [name]


def test_a_download_that_breaks_off_does_not_just_end(serve, storage):  # noqa: ARG001  (an empty one)
    front = serve(GCS_BUCKET_NAME="emulator-cut")
    with front.client() as client:
        file = client.files.create(file=("x.bin", LARGE), purpose="user_data")
        with pytest.raises(openai.APIConnectionError):
            client.files.content(file.id).read()


def test_a_part_of_a_file_is_read(client):
    file = client.files.create(file=("x.txt", b"0123456789"), purpose="user_data")
    part = client.files.content(file.id, extra_headers={"Range": "bytes=2-4"})
    assert (part.response.status_code, part.response.headers["content-range"]) == (206, "bytes 2-4/10")
    assert part.read() == b"234"
    whole = client.files.content(file.id, extra_headers={"Range": "bytes=2-4", "If-Range": '"x"'})
    assert (whole.response.status_code, whole.read()) == (200, b"0123456789")


def test_a_file_of_ours_can_be_talked_about(client, emulator):
    file = client.files.create(file=("paper.pdf", b"%PDF"), purpose="user_data")
    emulator.forget_calls()
    parts = [{"type": "text", "text": "Sum up."}, {"type": "file", "file": {"file_id": file.id}}]
    client.chat.completions.create(model="gemini-3.8-flash", messages=[{"role": "user", "content": parts}])
    (call,) = emulator.calls
    upstream_body = json.dumps(call.json)
    assert f"gs://{BUCKET}/vertex_compat/shared/files/" in upstream_body
    assert "application/pdf" in upstream_body


def test_file_id_of_another_key_is_refused(local):
    content = [{"type": "file", "file": {"file_id": "file-abc123"}}]
    body = {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": content}]}
    answer = local().post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert "No such File object" in answer.json["error"]["message"]


@given(st.lists(st.binary(max_size=30)), st.integers(1, 9))
def test_lines_are_the_same_however_the_bytes_are_cut(rows, size):
    data = b"\n".join(rows)
    whole = list(lines([data]))
    assert list(lines(data[at : at + size] for at in range(0, len(data), size))) == whole
    numbered = [(n, row) for n, row in enumerate(data.split(b"\n"), start=1)]
    numbered[0] = (1, numbered[0][1].removeprefix(b"\xef\xbb\xbf"))
    assert whole == [(n, row) for n, row in numbered if row.strip()]
