"""Chains of stored responses, and the store in process memory."""

import time

import pytest

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.operations.stored import history, store
from vertex_compat.operations.stored.store import DAY_SECONDS, MemoryStore, ProcessMemory


class CountingStore(MemoryStore):
    reads = 0

    def get(self, name):
        self.reads += 1
        return super().get(name)


@pytest.fixture
def counting():
    return CountingStore(ProcessMemory(), "k-alice")


def response(turn, created_at=None):
    output = [{"id": f"out{turn}", "type": "message"}]
    return {"output": output, "created_at": created_at or int(time.time()), "status": "completed"}


def extend(chain, turn, target, created_at=None):
    token = new_token()
    record = chain.next_record(response(turn, created_at), [{"id": f"in{turn}"}], None)
    history.write(target, token, record)
    return token, record


def test_a_chain_of_200_is_rebuilt_from_three_objects(counting):
    chain, size = history.EMPTY, 0
    for turn in range(200):
        token, record = extend(chain, turn, counting)
        size += len(record.items())
        counting.reads = 0
        chain = history.load(counting, token)
        assert counting.reads <= 3
    expected = [item for turn in range(200) for item in (f"in{turn}", f"out{turn}")]
    assert [item["id"] for item in chain.items()] == expected
    assert size < 10 * len(expected)


def test_an_old_base_is_copied(counting):
    old = int(time.time()) - 2 * DAY_SECONDS
    token, _ = extend(history.EMPTY, 0, counting, old)
    chain = history.load(counting, token)
    _, record = extend(chain, 1, counting)
    assert not record.bases
    assert [item["id"] for item in record.items()] == ["in0", "out0", "in1", "out1"]


def test_a_chain_without_its_base_is_not_found(counting):
    first, _ = extend(history.EMPTY, 0, counting)
    second, _ = extend(history.load(counting, first), 1, counting)
    store.delete(counting, history.FOLDER + first)
    assert history.load(counting, second) is None


def test_an_expired_response_is_not_found(counting):
    token = new_token()
    record = history.EMPTY.next_record(response(0), [], int(time.time()) - 1)
    history.write(counting, token, record)
    assert history.read_record(counting, token) is None


def test_a_write_of_an_older_version_is_a_conflict(counting):
    counting.put("x", b"1", None, 0)
    generation = counting.get("x").generation
    counting.put("x", b"2", None, generation)
    for stale in (0, generation):
        with pytest.raises(errors.Conflict):
            counting.put("x", b"3", None, stale)
    assert counting.get("x").content == b"2"


def test_owners_do_not_see_each_other():
    memory = ProcessMemory()
    MemoryStore(memory, "k-alice").put("x", b"1", None)
    bob = MemoryStore(memory, "k-bob")
    assert bob.get("x") is None
    assert not bob.delete("x")
    assert not list(bob.names(""))


def test_memory_forgets_the_oldest_above_its_bound(monkeypatch):
    monkeypatch.setattr(store, "MAX_MEMORY_BYTES", 10)
    target = MemoryStore(ProcessMemory(), "shared")
    for name in ("a", "b", "c"):
        target.put(name, b"12345", None)
    assert list(target.names("")) == ["b", "c"]
