"""Ids that say where a thing is: they lead there and back, and nowhere else."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat import errors, ids
from vertex_compat.config.settings import Bucket as Setting
from vertex_compat.operations.batches import batch_metadata
from vertex_compat.operations.batches.batch_metadata import Batch
from vertex_compat.operations.files.bucket import Bucket, token
from vertex_compat.services import storage
from vertex_compat.services.storage import Object

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9._-]{1,60}[a-z0-9]", fullmatch=True)


class Asked:
    """As much of an `Ask` as the bucket needs to know what is its own."""

    class settings:  # noqa: N801
        bucket = Setting("ours", "folder/")


@given(NAMES)
def test_a_place_has_one_id_and_the_id_that_place(place):
    assert ids.decode("x_", ids.encode("x_", place)) == place


@given(st.text(string.ascii_letters + string.digits + "-_=+/ \n", max_size=60))
def test_decoded_ids_have_one_spelling(coded):
    place = ids.decode("file-", f"file-{coded}")
    assert place is None or ids.encode("file-", place) == f"file-{coded}"


@pytest.mark.parametrize(
    "identity", ["", "file-", "file-abc123!", "file-é", "FILE-YQ", "batch_YQ", "file-_w", "file-YR"]
)
def test_what_is_no_id_has_no_place(identity):
    assert ids.decode("file-", identity) is None


@given(BUCKETS, NAMES)
def test_an_object_is_found_by_its_id_and_by_its_uri(bucket, name):
    one = Object(bucket, name)
    found = storage.find(one.id)
    assert found == storage.find(one.uri)
    assert found == (one if len(name.encode()) <= 1024 and name not in {".", ".."} else None)
    assert ids.uri_of(one.id) == one.uri


@given(
    st.one_of(
        st.text(max_size=80),
        BUCKETS.map(lambda name: f"gs://{name}/x"),
        NAMES.map(lambda n: f"gs://ours/{n}"),
    )
)
def test_no_reference_leaves_the_bucket_or_the_folder(reference):
    for one in (reference, ids.of_file(reference)):
        try:
            name = Bucket(Asked()).find(one)
        except errors.NotFound:
            continue
        assert storage.find(one) == Object("ours", f"folder/{name}")


@pytest.mark.parametrize(
    "uri",
    [
        "gs://other/folder/files/x",
        "gs://ours/else/x",
        "gs://ours/folder",
        "gs://ours/folderx/y",
        "gs://OURS/folder/x",
        "gs://ours/folder/a\nb",
        "gs://ours/../ours/folder/x",
        "gs://ours.evil/folder/x",
        "https://storage.googleapis.com/ours/folder/x",
    ],
)
def test_places_that_are_not_ours_are_not_found(uri):
    for reference in (uri, ids.of_file(uri)):
        with pytest.raises(errors.NotFound, match="No such File object"):
            Bucket(Asked()).find(reference)


@given(NAMES)
def test_a_name_stays_one_segment_of_the_path(name):
    path = storage.stat(Object("ours", f"folder/{name}")).path
    begin = "b/ours/o/folder%2F"
    assert path.startswith(begin)
    assert not set(path[len(begin) :]) - set(string.ascii_letters + string.digits + "-._~%")


def test_newer_things_sort_before_older_ones(monkeypatch):
    made = []
    for now in (1_700_000_000.0, 1_700_000_000.5, 1_900_000_000.0, 4_000_000_000.0):
        monkeypatch.setattr("vertex_compat.operations.files.bucket.time.time", lambda now=now: now)
        made.append(token())
    assert made == sorted(made, reverse=True)
    assert len({len(one) for one in made}) == 1


def test_a_batch_is_found_by_its_id():
    for batch in (Batch(token(), "us-central1/123"), Batch(token(), "failed")):
        assert batch_metadata.find(batch.id) == batch
        assert batch_metadata.at(batch.name) == batch


@pytest.mark.parametrize(
    "place",
    [
        "",
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
def test_a_made_up_id_is_no_batch(place):
    for identity in (ids.encode("batch_", place), place, f"batch_{place}"):
        with pytest.raises(errors.NotFound, match="No batch found"):
            batch_metadata.find(identity)


def test_upload_session_stays_on_configured_host():
    call = storage.piece(
        "https://evil.example/upload/storage/v1/b/ours/o?upload_id=7", b"x" * 9, 10, last=False
    )
    assert (call.service, call.version, call.path) == ("storage", "upload", "storage/v1/b/ours/o?upload_id=7")
    assert call.headers["Content-Range"] == "bytes 10-18/*"


@pytest.mark.parametrize(
    ("content", "first", "last", "range_"),
    [
        (b"", 0, True, "bytes */0"),
        (b"ab", 0, True, "bytes 0-1/2"),
        (b"ab", 8, True, "bytes 8-9/10"),
        (b"", 8, True, "bytes */8"),
    ],
)
def test_a_piece_says_which_bytes_it_has(content, first, last, range_):
    assert storage.piece("https://x/upload/y?z", content, first, last=last).headers["Content-Range"] == range_


@pytest.mark.parametrize(
    ("range_", "count"), [("bytes=0-262143", 262144), ("", 0), ("bytes=5-9", 0), ("bytes 0-1", 0)]
)
def test_what_is_taken_is_read_from_the_answer(range_, count):
    assert storage.taken({"Range": range_}) == count


def test_the_id_is_base64url_of_the_place():
    assert Object("b-1", "x/ü").id == "file-" + base64.urlsafe_b64encode("b-1/x/ü".encode()).decode().rstrip(
        "="
    )
