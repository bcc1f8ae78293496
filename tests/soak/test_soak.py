"""A small soak test: all streams complete and exact, every fault reported, nothing grows."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from crowd import Size, alone, crowd, run
from helpers.chat_client import ask, named
from helpers.connections import posted, read_until
from helpers.fixtures import MODELS, question

STREAMS = 120
ROUNDS = 3
MAX_GROWTH = 1.1
SOON = 5  # seconds


def resources_when_idle(server, before=None):
    """Return the resources of the function after its connections are closed."""
    deadline = time.monotonic() + 5
    size = Size.of(server.worker)
    while before and size.descriptors > before.descriptors and time.monotonic() < deadline:
        time.sleep(0.05)
        size = Size.of(server.worker)
    return size


def test_many_streams_at_once_are_exact_and_leave_nothing_behind(serve_alone):
    server = serve_alone()
    server.emulator.pace = 0.05  # so slow that all are there at once in every round
    expected = {}
    sizes = []
    for _ in range(ROUNDS):
        streams = run(server.address, [*crowd(STREAMS)], seconds=60)
        for stream in streams:
            if stream.faulty:
                assert stream.has_error, bytes(stream.raw[-500:])
            else:
                assert stream.whole, bytes(stream.raw[-500:])
                if stream.model not in expected:
                    expected[stream.model] = alone(server.address, stream.model)
                assert stream.text == expected[stream.model]
        sizes.append(resources_when_idle(server, sizes[0] if sizes else None))
    first, *_, last = sizes
    assert last.memory <= first.memory * MAX_GROWTH
    assert last.threads <= first.threads * MAX_GROWTH
    assert last.descriptors <= first.descriptors * MAX_GROWTH
    assert "Traceback" not in server.log()


def test_streams_of_very_many_events_do_not_starve_the_others(serve_alone):
    server = serve_alone()
    publishers = ["google", "anthropic", "mistralai", "openapi"]
    streams = [next(crowd(1)) for _ in publishers]
    for stream, publisher in zip(streams, publishers, strict=True):
        stream.model = named(publisher, "many-20000")
    with posted(server, question("google", model=streams[0].model, stream=True)) as line:
        read_until(line, b"data: ")  # and leaves
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(again_and_again, server, ended)
        try:
            run(server.address, streams, seconds=60)
        finally:
            ended.set()
        assert others.result() > 0
    assert [stream.text for stream in streams] == ["x " * 20_000] * 4
    another(server)


def again_and_again(server, ended):
    """Ask beside the streams until they have ended; how often that was."""
    count = 0
    while not ended.wait(0.05):
        another(server)
        count += 1
    return count


def another(server):
    """Ask, on a connection of its own, and be answered soon."""
    with server.client() as client:
        began = time.monotonic()
        assert ask(client, MODELS["google"]).choices
        assert time.monotonic() - began < SOON
