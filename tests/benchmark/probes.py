"""The measurements: a probe takes a bench, a subject and a wire, and returns figures by row.

A figure with two measures is a `Cost`. Every received byte is checked before a figure is returned: a probe
raises `WrongAnswer` for a subject that loses or changes one.
"""

import time
from typing import NamedTuple

import installed
from apis import APIS
from client import (
    Load,
    WrongAnswer,
    closed_loop,
    percentile,
    read_api_stream,
    read_api_whole,
    read_stream,
    read_whole,
)
from instructions import Hardware

ENDLESS = 100_000
"""Pieces of a stream that its client leaves before its end."""

LATEST = 0.2
"""Seconds that 99 of 100 chunks must not be late by."""


class Cost(NamedTuple):
    """The cost of one item: seconds of CPU time, and instructions where they can be read."""

    seconds: float | None
    instructions: float | None


def cold_start(bench, subject, wire):
    """Seconds from nothing to the first answer, and the memory then."""
    started_at = time.monotonic_ns()
    with bench.fresh(subject) as run:
        exchange = bench.first_answer(run, wire)
        if subject.chats:
            read_whole(exchange, wire, native=subject.native)
        return {"cold": (exchange.done - started_at) / 1e9, "idle": run.memory()}


def cold_start_deployed(bench, subject, wire):
    """A cold start as our commands deploy: the bytecode of the source is valid."""
    return {"deployed": cold_start(bench, bench.deployed(subject, compiled=True), wire)["cold"]}


def cold_start_source(bench, subject, wire):
    """A cold start without SOURCE_DATE_EPOCH in the build, in which the bytecode is stale."""
    return {"source": cold_start(bench, bench.deployed(subject, compiled=False), wire)["cold"]}


STARTS = (cold_start, cold_start_deployed, cold_start_source)


def one_client(bench, subject, wire):
    """The cost of a whole answer, and its delay against the mock's own."""
    calls = bench.sizes.calls
    direct = _times(_directly(bench, bench.asks_directly(wire), calls, wire))
    run = bench.warm(subject, wire)
    request = subject.asks(run.address, wire)
    with Load(run.address) as load:
        closed_loop(load, request, 3)
        cost, over = _cost(bench, run, lambda: closed_loop(load, request, calls), calls)
    for exchange in over:
        read_whole(exchange, wire, native=subject.native)
    return {"unary": cost, "latency": percentile(_times(over), 0.5) - percentile(direct, 0.5)}


def many_clients(bench, subject, wire):
    """Answers a second when many clients ask again and again."""
    run = bench.warm(subject, wire)
    request = subject.asks(run.address, wire)
    clients, calls = bench.sizes.clients, bench.sizes.rated_calls
    with Load(run.address) as load:
        closed_loop(load, request, 2 * clients, clients)
    with Load(run.address) as load:
        over = closed_loop(load, request, calls, clients)
    for exchange in over:
        read_whole(exchange, wire, native=subject.native)
    took = max(exchange.done for exchange in over) - min(exchange.sent_at for exchange in over)
    return {"rate": calls / took * 1e9}


def first_token(bench, subject, wire):
    """The delay of a stream's first piece against the mock's own."""
    pieces, pace, calls = 2, 5, bench.sizes.firsts
    direct = _directly(bench, bench.asks_directly(wire, pieces, pace), calls)
    run = bench.warm(subject, wire)
    with Load(run.address) as load:
        over = closed_loop(load, subject.asks(run.address, wire, pieces, pace), calls)
    through = _first_times(over, wire, pieces, native=subject.native)
    return {"first": percentile(through, 0.5) - percentile(_first_times(direct, wire, pieces), 0.5)}


def paced(bench, subject, wire):
    """The cost of a chunk that comes alone."""
    sizes = bench.sizes
    return {"paced": _chunk(bench, subject, wire, sizes.paced_streams, sizes.paced_pieces, sizes.pace)}


def saturated(bench, subject, wire):
    """The cost of a chunk if the upstream sends as fast as it is read."""
    sizes = bench.sizes
    return {"saturated": _chunk(bench, subject, wire, sizes.saturated_streams, sizes.saturated_pieces, 0)}


def simulated(bench, subject, wire):
    """Instructions of an answer and of chunks, on callgrind."""
    calls, pieces = bench.sizes.simulated_calls, bench.sizes.simulated_pieces
    with bench.simulated(subject, wire) as (run, callgrind), Load(run.address) as load:
        request = subject.asks(run.address, wire)
        closed_loop(load, request, 5)
        unary = callgrind.measure(lambda: closed_loop(load, request, calls)) / calls
        return {
            "unary": Cost(None, unary),
            "paced": Cost(None, _simulated_chunk(run, wire, callgrind, pieces, bench.sizes.pace)),
            "saturated": Cost(None, _simulated_chunk(run, wire, callgrind, 2 * pieces, 0)),
        }


def simulated_starts(bench, subject, wire):
    """Instructions from the start to the first answer, with valid bytecode and with stale."""
    return {
        row: Cost(None, bench.simulated_start(bench.deployed(subject, compiled=compiled), wire))
        for row, compiled in (("deployed", True), ("source", False))
    }


def other_apis(bench, subject, wire):
    """The costs of an answer and of a chunk in each API besides chat.

    A pass-through has only the publisher's own.
    """
    run = bench.warm(subject, wire)
    return {row: cost for api in APIS for row, cost in _api_costs(bench, run, wire, api).items()}


def _api_costs(bench, run, wire, api):
    sizes = bench.sizes
    request = run.subject.asks(run.address, wire, api=api)
    with Load(run.address) as load:
        closed_loop(load, request, 3)
        unary, over = _cost(bench, run, lambda: closed_loop(load, request, sizes.calls), sizes.calls)
    _read_whole(over, run.subject, wire, api)
    streams = sizes.paced_streams, sizes.paced_pieces, sizes.pace
    return {api.key: unary, f"{api.key}_chunk": _chunk(bench, run.subject, wire, *streams, api=api)}


def simulated_apis(bench, subject, wire):
    """Instructions of the same, on callgrind."""
    with bench.simulated(subject, wire) as (run, callgrind):
        return {
            row: Cost(None, count)
            for api in APIS
            for row, count in _simulated_api(bench, run, wire, callgrind, api).items()
        }


def _simulated_api(bench, run, wire, callgrind, api):
    calls, pieces, pace = bench.sizes.simulated_calls, bench.sizes.simulated_pieces, bench.sizes.pace
    request = run.subject.asks(run.address, wire, api=api)
    with Load(run.address) as load:
        _read_whole(closed_loop(load, request, 5), run.subject, wire, api)
        unary = callgrind.measure(lambda: closed_loop(load, request, calls)) / calls
    chunk = _simulated_chunk(run, wire, callgrind, pieces, pace, api=api)
    return {api.key: unary, f"{api.key}_chunk": chunk}


def together(bench, subject, wire):
    """Memory of 100 streams, and the number that the upstream still sends without clients."""
    streams = bench.sizes.together
    with bench.fresh(subject) as run:
        bench.first_answer(run, wire)
        before, idle = bench.open_streams(), run.memory()
        with Load(run.address) as load:
            exchanges = _begin_slow(bench, load, run, wire, streams)
            if not _all_flow(bench, load, exchanges):
                raise WrongAnswer(f"{streams} streams do not begin.")
            load.run(bench.sizes.hold)
            growth = run.memory() - idle
        time.sleep(bench.sizes.leave)
        for exchange in exchanges:
            read_stream(exchange, wire, native=subject.native)
        return {"memory": growth / streams * 100, "left": bench.open_streams() - before}


def slow_streams(bench, subject, wire):
    """The number of slow streams that run in parallel with each chunk in time."""
    reached = 0
    with bench.fresh(subject) as run:
        bench.first_answer(run, wire)
        with Load(run.address) as load:
            exchanges = []
            for level in bench.sizes.levels:
                try:
                    exchanges += _begin_slow(bench, load, run, wire, level - len(exchanges))
                except OSError:  # takes no more connections
                    break
                if not _all_flow(bench, load, exchanges) or not _in_time(
                    bench, load, exchanges, wire, subject
                ):
                    break
                reached = level
    return {"streams": reached}


def size(_, subject, __):
    """The packages that the subject's deployment installs."""
    counted = installed.of(subject.python, subject.requirements)
    return {"size": counted["bytes"], "distributions": len(counted["distributions"])}


# Parts


def _times(exchanges):
    """Seconds that whole exchanges took."""
    return [(exchange.done - exchange.sent_at) / 1e9 for exchange in exchanges]


def _first_times(exchanges, wire, pieces, *, native=True):
    """Seconds to the first piece."""
    return [
        (read_stream(exchange, wire, pieces, native=native)[0].there - exchange.sent_at) / 1e9
        for exchange in exchanges
    ]


def _directly(bench, request_bytes, calls, wire=None):
    """Calls to the mock itself, checked where `wire` says that they are whole."""
    with bench.direct() as load:
        over = closed_loop(load, request_bytes, calls)
    for exchange in over if wire else ():
        read_whole(exchange, wire, native=True)
    return over


def _cost(bench, run, work, count):
    """The cost of each of `count` items that `work` handles, and the result of `work`."""
    gave = []

    def measured():
        before = run.cpu()
        gave.append(work())
        gave.append(run.cpu() - before)

    counted = Hardware(run.processes).measure(measured) / count if bench.hardware else None
    if counted is None:
        measured()
    over, seconds = gave
    return Cost(seconds / count, counted), over


def _read_whole(exchanges, subject, wire, api):
    for exchange in exchanges:
        if subject.native:
            read_whole(exchange, wire, native=True)
        else:
            read_api_whole(exchange, api)


def _chunk(bench, subject, wire, streams, pieces, pace, *, api=None):
    """The cost of a chunk: the difference between long streams and short ones."""
    run = bench.warm(subject, wire)
    few = max(1, pieces // 10)
    _stream(run, wire, streams, few, pace, api=api)
    short, _ = _cost(bench, run, lambda: _stream(run, wire, streams, few, pace, api=api), 1)
    long, _ = _cost(bench, run, lambda: _stream(run, wire, streams, pieces, pace, api=api), 1)
    more = (pieces - few) * streams
    counted = (long.instructions - short.instructions) / more if bench.hardware else None
    return Cost((long.seconds - short.seconds) / more, counted)


def _simulated_chunk(run, wire, callgrind, pieces, pace, *, api=None):
    """Instructions of a chunk: what two long streams take more than two short ones."""
    few = pieces // 10
    _stream(run, wire, 2, few, pace, api=api)
    short = callgrind.measure(lambda: _stream(run, wire, 2, few, pace, api=api))
    long = callgrind.measure(lambda: _stream(run, wire, 2, pieces, pace, api=api))
    return (long - short) / (pieces - few) / 2


def _stream(run, wire, streams, pieces, pace, *, api=None):
    """So many streams side by side, to their end and checked."""
    request = run.subject.asks(run.address, wire, pieces, pace, api)
    with Load(run.address) as load:
        exchanges = [load.begin(request) for _ in range(streams)]
        load.finish(60 + pieces * pace / 1000)
    for exchange in exchanges:
        if api and not run.subject.native:
            read_api_stream(exchange, api, pieces)
        else:
            read_stream(exchange, wire, pieces, native=run.subject.native)


def _begin_slow(bench, load, run, wire, count):
    request = run.subject.asks(run.address, wire, ENDLESS, bench.sizes.slow_pace)
    return [load.begin(request) for _ in range(count)]


def _all_flow(bench, load, exchanges, seconds=20):
    """Wait until every stream has brought a piece; whether they all do."""
    latest = time.monotonic() + seconds
    waiting = exchanges
    while waiting and time.monotonic() < latest:
        load.run(0.2)
        waiting = [
            exchange for exchange in waiting if not any(b" token " in data for _, data in exchange.blocks)
        ]
    load.run(bench.sizes.settle)
    return not waiting


def _in_time(bench, load, exchanges, wire, subject):
    """Return whether, for a while, all pieces come, 99 of 100 in time, and no stream ends."""
    started_at = time.monotonic_ns()
    load.run(bench.sizes.hold)
    ended = time.monotonic_ns()
    load.run(2 * LATEST)
    delays = []
    for exchange in exchanges:
        try:
            came = read_stream(exchange, wire, native=subject.native)
        except WrongAnswer:
            return False
        delays += [
            (piece.there - piece.sent_at) / 1e9 for piece in came if started_at <= piece.sent_at < ended
        ]
    due = bench.sizes.hold / bench.sizes.slow_pace * 1000 * len(exchanges)
    alive = not any(exchange.ended for exchange in exchanges)
    return alive and len(delays) >= 0.9 * due and percentile(delays, 0.99) < LATEST
