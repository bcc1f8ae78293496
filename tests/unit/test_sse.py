"""Server-sent events: the standard's examples, and streams that come cut in any way."""

import itertools
import json
import time

import pytest
from helpers.fixtures import cases
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat import sse


def decoded(*blocks):
    decoder = sse.Decoder()
    events = [event for block in blocks for event in decoder.feed(block)]
    return events + decoder.close()


def in_pieces(stream, places):
    """The stream cut at the given places."""
    edges = [0, *sorted({place for place in places if place < len(stream)}), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


# https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [b"first event", b"second event", b" third event"],
        ),
        (b"data:test\n\ndata: test\n\n", [b"test", b"test"]),
        (b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n", [b"73857293", b"2153"]),
    ],
    ids=["three lines", "comment and ids", "one space", "named events"],
)
def test_the_standard_s_examples_are_decoded(stream, events):
    assert decoded(stream) == events


def test_field_without_colon_and_unended_event_are_read():
    # The standard would drop the unended event; here it is the last thing that the upstream said.
    assert decoded(b"data\n\ndata\ndata\n\ndata:") == [b"", b"\n"]
    assert decoded(b"data: {}") == [b"{}"]
    assert decoded(b"data: {}\n") == [b"{}"]
    assert decoded(b"data: {}\r\n\r") == [b"{}"]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_any_of_three_ways(line_end):
    lines = [
        b": hello",
        b"event: x",
        b"data: one",
        b"data: two",
        b"",
        b"retry: 10",
        b"",
        b"data: 3",
        b"",
        b"",
    ]
    assert decoded(line_end.join(lines)) == [b"one\ntwo", b"3"]


def test_line_ends_may_be_mixed_within_an_event():
    assert decoded(b"data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\r") == [b"a\nb\nc", b"d"]


def test_a_cr_and_an_lf_in_two_blocks_are_one_line_end():
    assert decoded(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\ndata: c\n\n") == [b"a\nb", b"c"]


def test_a_byte_order_mark_is_skipped_at_the_start_only():
    assert decoded(b"\xef\xbb\xbfdata: a\n\n") == [b"a"]
    assert decoded(b"\xef", b"\xbb", b"\xbf", b"data: a\n\n") == [b"a"]
    assert decoded(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n") == [b"b"]
    assert decoded(b"data: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n") == [b"a", b"c"]


def test_lines_without_data_make_no_event():
    assert (
        decoded(b": keepalive\n\n: keepalive\n\nevent: ping\n\nid: 7\nretry: 3\n\ndatum: 1\n\nDATA: 2\n\n")
        == []
    )
    assert decoded(b" data: indented\n\n") == []


def test_line_separators_of_unicode_end_no_line():
    text = '{"t":"a\u2028b\u2029c\u0085d\x0be\x0cf\x1c"}'.encode()
    stream = b"data: " + text + b"\n\n"
    assert decoded(stream) == [text]
    assert decoded(*in_pieces(stream, range(len(stream)))) == [text]


def test_an_event_is_given_as_soon_as_its_blank_line_has_come():
    decoder = sse.Decoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [b"a"]
    assert decoder.feed(b"data: b\r\n\r") == [b"b"]  # the LF that may follow belongs to it
    assert decoder.feed(b"\ndata: c\r\n\r\n") == [b"c"]


@cases("stream.sse")
def test_a_recorded_stream_may_be_cut_at_any_byte(case):
    whole = decoded(case.stream)
    assert whole
    for place in range(len(case.stream) + 1):
        assert decoded(case.stream[:place], case.stream[place:]) == whole
    assert decoded(*in_pieces(case.stream, range(len(case.stream)))) == whole


@cases("stream.sse")
@given(data=st.data())
def test_a_recorded_stream_may_be_cut_anywhere_often(case, data):
    places = data.draw(st.sets(st.integers(1, len(case.stream) - 1)))
    assert decoded(*in_pieces(case.stream, places)) == decoded(case.stream)


@cases("stream.sse")
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_recorded_stream_may_have_other_line_ends(case, line_end):
    lines = case.stream.replace(b"\r\n", b"\n").split(b"\n")
    stream = line_end.join(lines)
    assert decoded(stream) == decoded(case.stream)
    assert decoded(*in_pieces(stream, range(len(stream)))) == decoded(case.stream)


LINES = st.lists(
    st.sampled_from(
        [
            b"data: a",
            b"data:b",
            b"data",
            b"data: \xe4\xbd\xa0",
            b"",
            b"",
            b": c",
            b"event: e",
            b"\xef\xbb\xbf",
        ]
    )
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])


@given(lines=LINES, ends=st.lists(ENDS, min_size=1), places=st.sets(st.integers(1, 200)), bom=st.booleans())
def test_events_do_not_depend_on_chunk_boundaries(lines, ends, places, bom):
    ended = [line + ends[place % len(ends)] for place, line in enumerate(lines)]
    stream = (b"\xef\xbb\xbf" if bom else b"") + b"".join(ended)
    assert decoded(*in_pieces(stream, places)) == decoded(stream)


@given(blocks=st.lists(st.binary(max_size=20)))
def test_any_bytes_are_read_without_a_fault(blocks):
    assert decoded(*blocks) == decoded(b"".join(blocks))


def test_large_event_in_small_pieces_costs_linear_time():
    """Quadratic work on 5 MB in pieces of 1 kB would copy 12 GB, a thousand times as much."""
    large = b"data: " + b"x" * 5_000_000 + b"\n\n"
    small = (b"data: " + b"x" * 992 + b"\n\n") * 5000
    assert [len(event) for event in decoded(*thousands(large))] == [5_000_000]
    assert quickest(large) < 20 * quickest(small)


def thousands(stream):
    return [stream[place : place + 1000] for place in range(0, len(stream), 1000)]


def quickest(stream):
    """Return the least CPU time of this thread in which a stream was read."""
    pieces = thousands(stream)
    times = []
    for _ in range(3):
        start = time.thread_time()
        decoded(*pieces)
        times.append(time.thread_time() - start)
    return min(times)


def test_encoded_events_are_decoded_unchanged():
    value = {"text": "a\nb\r\n你好\u2028👩‍👩‍👧‍👦", "n": [1, None, True]}
    encoded = sse.encode(value)
    assert encoded.endswith(b"\n\n")
    assert [json.loads(event) for event in decoded(encoded)] == [value]
    assert decoded(sse.DONE, sse.KEEPALIVE) == [b"[DONE]"]
