"""Ends of bodies, compared with `http.client`: an independent reader of the same bytes."""

import http.client
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertex_compat.upstream import http_body

chunks = st.lists(st.binary(min_size=1, max_size=300), max_size=8)
trailers = st.lists(st.sampled_from([b"x-checksum: 1\r\n", b"a: b\r\n"]), max_size=2).map(b"".join)


def chunked_body(pieces, sizes, end):
    """A body in chunks; `sizes` says how each size is written."""
    chunks = [sizes % len(piece) + b"\r\n" + piece + b"\r\n" for piece in pieces]
    return b"".join(chunks) + b"0\r\n" + end + b"\r\n"


def cut(data, seed):
    """The bytes in pieces, as a network may bring them."""
    places = random.Random(seed)
    while data:
        length = places.choice([1, 2, 3, 7, 100, len(data)])
        yield data[:length]
        data = data[length:]


def read_by_http_client(head, body):
    """Return the body that `http.client` reads."""

    class Sock:
        def makefile(self, *_):
            return io.BytesIO(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)

    response = http.client.HTTPResponse(Sock())
    response.begin()
    return response.read()


def read(reader, blocks):
    return b"".join([reader.feed(block) for block in blocks])


@given(chunks, st.sampled_from([b"%x", b"%X", b"%04x", b"%x;name=value", b"%x  "]), trailers, st.integers())
def test_chunks_are_read_as_http_client_reads_them(pieces, sizes, end, seed):
    body = chunked_body(pieces, sizes, end)
    reader = http_body.ChunkedReader()
    data = read(reader, cut(body, seed))
    reader.close()
    assert reader.complete
    assert not reader.extra_data
    assert data == read_by_http_client(b"Transfer-Encoding: chunked", body) == b"".join(pieces)


@given(chunks, st.binary(min_size=1, max_size=5), st.integers())
def test_bytes_after_the_end_are_not_in_the_body(pieces, more, seed):
    reader = http_body.ChunkedReader()
    blocks = list(cut(chunked_body(pieces, b"%x", b""), seed))
    blocks[-1] += more
    assert read(reader, blocks) == b"".join(pieces)
    assert reader.extra_data


@given(chunks, st.data(), st.integers())
def test_a_body_that_was_cut_off_does_not_pass_for_whole(pieces, data, seed):
    body = chunked_body(pieces, b"%x", b"")
    reader = http_body.ChunkedReader()
    content = read(reader, cut(body[: data.draw(st.integers(0, len(body) - 1))], seed))
    assert b"".join(pieces).startswith(content)
    with pytest.raises(http_body.ProtocolError):
        reader.close()


@given(st.binary(max_size=500), st.integers(0, 500), st.integers())
def test_a_length_counts(data, length, seed):
    reader = http_body.new_reader(chunked=False, length=length)
    content = b"" if reader.complete else read(reader, cut(data, seed))
    assert content == data[:length]
    assert reader.complete == (len(data) >= length)


def test_without_a_length_the_connection_is_the_end():
    reader = http_body.new_reader(chunked=False, length=None)
    assert reader.feed(b"all") == b"all"
    assert not reader.complete
    reader.close()
    assert reader.complete


@pytest.mark.parametrize(
    "body",
    [
        b"hello\r\n",
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"1_0\r\n",
        b"\r\n",
        b"5\nhello\r\n",
        b"5\r\nhello, world\r\n",
        b"5\r\nhello\n",
        b"1" * 70_000,
        b"0\r\n" + b"a: b\r\n" * 20_000,
        b"fffffffffffffffff\r\n",
    ],
)
def test_invalid_chunk_is_a_protocol_error(body):
    with pytest.raises(http_body.ProtocolError):
        read(http_body.ChunkedReader(), [body])


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20))
def test_no_bytes_are_more_than_broken(blocks):
    reader = http_body.ChunkedReader()
    try:
        for block in blocks:
            reader.feed(block)
        reader.close()
    except http_body.ProtocolError:
        pass
