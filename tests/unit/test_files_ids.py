"""Signed ids, owners, and the folder of a bucket that a caller reaches."""

import string
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat import errors, ids
from vertex_compat.config.settings import BucketSetting, Settings
from vertex_compat.ids import IdSigner, new_token, owner_name, token_age
from vertex_compat.operations.batches import batch_metadata
from vertex_compat.operations.batches.batch_metadata import Batch
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.services import storage
from vertex_compat.services.storage import StorageObject

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9._-]{1,60}[a-z0-9]", fullmatch=True)
SIGNER = IdSigner("a secret of sixteen characters")


def bucket(owner="k-alice"):
    settings = Settings(bucket=BucketSetting("ours", "folder/"))
    return Bucket(SimpleNamespace(settings=settings, owner=owner, ids=SIGNER))


@given(NAMES)
def test_an_id_holds_its_name(name):
    assert SIGNER.decode("x_", SIGNER.encode("x_", name)) == name


@given(NAMES)
def test_id_signed_with_another_secret_is_invalid(name):
    assert IdSigner("another secret").decode("x_", SIGNER.encode("x_", name)) is None


@given(NAMES)
def test_id_with_another_prefix_is_invalid(name):
    id_ = SIGNER.encode("file-", name)
    assert SIGNER.decode("batch_", id_) is None
    assert SIGNER.decode("batch_", id_.replace("file-", "batch_")) is None


@given(NAMES, st.integers(0), st.sampled_from(string.ascii_letters + string.digits + "-_"))
def test_changed_id_is_invalid(name, position, character):
    id_ = SIGNER.encode("file-", name)
    position = 5 + position % (len(id_) - 5)
    changed = id_[:position] + character + id_[position + 1 :]
    assert changed == id_ or SIGNER.decode("file-", changed) is None


@given(st.text(string.ascii_letters + string.digits + "-_=+/ \n", max_size=60))
def test_invented_id_is_invalid(encoded):
    assert SIGNER.decode("file-", f"file-{encoded}") is None


@pytest.mark.parametrize("id_", ["", "file-", "file-abc123!", "file-é", "file-" + "_" * 16, "file-\ud800"])
def test_malformed_id_is_invalid(id_):
    assert SIGNER.decode("file-", id_) is None


@given(BUCKETS, NAMES)
def test_a_uri_is_parsed_into_bucket_and_name(bucket_name, name):
    target = StorageObject(bucket_name, name)
    valid = len(name.encode()) <= 1024 and name not in {".", ".."}
    assert storage.parse_uri(target.uri) == (target if valid else None)


@given(
    st.one_of(
        st.text(max_size=80),
        BUCKETS.map(lambda name: f"gs://{name}/x"),
        NAMES.map(lambda name: f"gs://ours/{name}"),
        NAMES.map(lambda name: f"gs://ours/folder/k-alice/{name}"),
    )
)
def test_no_reference_leaves_the_callers_folder(reference):
    for text in (reference, SIGNER.encode(ids.FILE, reference) if reference else ""):
        try:
            target = bucket().resolve(text)
        except errors.NotFound:
            continue
        assert target.bucket == "ours"
        assert target.name.startswith("folder/k-alice/")


@pytest.mark.parametrize(
    "uri",
    [
        "gs://other/folder/k-alice/files/x",
        "gs://ours/else/x",
        "gs://ours/folder/k-alice",
        "gs://ours/folder/k-alice2/files/x",
        "gs://ours/folder/k-bob/files/x",
        "gs://ours/folder/shared/files/x",
        "gs://OURS/folder/k-alice/x",
        "gs://ours/folder/k-alice/a\nb",
        "gs://ours/../ours/folder/k-alice/x",
        "gs://ours.evil/folder/k-alice/x",
        "https://storage.googleapis.com/ours/folder/k-alice/x",
    ],
)
def test_object_in_another_bucket_is_not_found(uri):
    for reference in (uri, SIGNER.encode(ids.FILE, uri)):
        with pytest.raises(errors.NotFound, match="No such File object"):
            bucket().resolve(reference)


@given(NAMES)
def test_an_object_name_is_one_segment_of_the_path(name):
    path = storage.get_metadata(StorageObject("ours", f"folder/{name}")).path
    start = "b/ours/o/folder%2F"
    assert path.startswith(start)
    assert not set(path[len(start) :]) - set(string.ascii_letters + string.digits + "-._~%")


def test_newer_tokens_sort_first(monkeypatch):
    tokens = []
    for now in (1_700_000_000.0, 1_700_000_000.5, 1_900_000_000.0, 4_000_000_000.0):
        monkeypatch.setattr("vertex_compat.ids.time.time", lambda now=now: now)
        tokens.append(new_token())
    assert tokens == sorted(tokens, reverse=True)
    assert {len(token) for token in tokens} == {28}
    assert token_age(tokens[1]) == 4_000_000_000.0 - 1_700_000_000.5


@pytest.mark.parametrize(
    ("key", "owner"), [(None, "shared"), ("alice", "k-alice"), ("key-0a1b2c3d", "k-key-0a1b2c3d")]
)
def test_an_owner_is_named_for_its_key(key, owner):
    assert owner_name(key) == owner


@given(st.text(min_size=1), st.text(min_size=1))
def test_owners_of_two_keys_differ_and_fit_a_label(key, other):
    first, second = owner_name(key), owner_name(other)
    assert (first == second) == (key == other)
    assert first != "shared"
    assert len(first) <= 63
    assert not set(first) - set(string.ascii_lowercase + string.digits + "-_")


def test_a_batch_is_found_by_its_id():
    for batch in (Batch(new_token(), "us-central1/123"), Batch(new_token(), "failed")):
        assert batch_metadata.from_id(batch.id(SIGNER), SIGNER) == batch
        assert batch_metadata.from_name(batch.name) == batch


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "../files/x",
        f"{'0' * 28}/us-central1/1/../..",
        f"{'0' * 28}/us-central1/1/output.jsonl",
        f"{'0' * 28}/us-central1/abc",
        f"{'0' * 28}/us-central1@evil/1",
        f"{'0' * 27}g/us-central1/1",
        f"{'0' * 28}/us-central1/1\n",
    ],
)
def test_an_invented_batch_id_is_not_found(name):
    for id_ in (SIGNER.encode("batch_", name), name, f"batch_{name}"):
        with pytest.raises(errors.NotFound, match="No batch found"):
            batch_metadata.from_id(id_, SIGNER)


def test_upload_session_stays_on_configured_host():
    session = "https://evil.example/upload/storage/v1/b/ours/o?upload_id=7"
    call = storage.upload_chunk(session, b"x" * 9, 10, last=False)
    assert (call.service, call.version, call.path) == ("storage", "upload", "storage/v1/b/ours/o?upload_id=7")
    assert call.headers["Content-Range"] == "bytes 10-18/*"


@pytest.mark.parametrize(
    ("content", "offset", "content_range"),
    [(b"", 0, "bytes */0"), (b"ab", 0, "bytes 0-1/2"), (b"ab", 8, "bytes 8-9/10"), (b"", 8, "bytes */8")],
)
def test_the_last_chunk_has_the_total(content, offset, content_range):
    call = storage.upload_chunk("https://x/upload/y?z", content, offset, last=True)
    assert call.headers["Content-Range"] == content_range


@pytest.mark.parametrize(
    ("header", "count"), [("bytes=0-262143", 262144), ("", 0), ("bytes=5-9", 0), ("bytes 0-1", 0)]
)
def test_stored_bytes_are_read_from_the_range(header, count):
    assert storage.stored_bytes({"Range": header}) == count
