"""The benchmark runs, gives every figure, and notices a wrong byte. No time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import client
import pytest
import rows
from wires import WIRES

HERE = Path(__file__).parent


def test_a_quick_run_gives_every_figure_of_the_table(tmp_path):
    output = tmp_path / "figures.json"
    command = [sys.executable, str(HERE), "--quick", "--publishers", "google", "--json", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert report["failures"] == []
    figures = {(figure["row"], figure["subject"]): figure["median"] for figure in report["figures"]}
    for row in rows.ROWS:
        assert (row.key, "ours") in figures, row.title
        assert (row.key, "floor") in figures, row.title
        assert row.title in done.stdout
    positive = {row.key for row in rows.ROWS} - {"left", "paced", "saturated", "latency", "first"}
    assert all(figures[row, subject] > 0 for row in positive for subject in ("ours", "floor"))
    assert figures["left", "ours"] == 0
    assert figures["streams", "ours"] > 0


def came(body, *, content_type="text/event-stream"):
    """An exchange that has brought `body`, in two blocks and in one chunk."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    framed = head + b"%X\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    exchange = client.Exchange(None, 1)
    assert not exchange.take(2, framed[:100])
    assert exchange.take(3, framed[100:])
    return exchange


def native(wire, pieces=3):
    return wire.head + b"".join(wire.piece(number, 2 + number) for number in range(pieces)) + wire.tail


@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
def test_passed_through_stream_must_equal_upstream(wire):
    body = native(wire)
    pieces = client.read_stream(came(body), wire, 3, native=True)
    assert [piece.sent_at for piece in pieces] == [2, 3, 4]
    for wrong in (body[:-1], body.replace(b"token 000001", b"token 000002"), body + b"\n", native(wire, 2)):
        with pytest.raises(client.WrongAnswer):
            client.read_stream(came(wrong), wire, 3, native=True)


def chunk(delta, reason=None, name="chatcmpl-1"):
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: %b\n\n" % json.dumps({"id": name, "choices": [choice]}).encode()


def test_a_translated_stream_must_tell_the_same_text():
    first, second = (chunk({"content": f" token {number:06} {5:016}"}) for number in range(2))
    end = chunk({}, "stop") + b"data: [DONE]\n\n"
    wire = WIRES["google"]
    assert len(client.read_stream(came(first + second + end), wire, 2, native=False)) == 2
    for wrong in (
        first + end,
        second + first + end,
        first + second + b"data: [DONE]\n\n",
        first + second + chunk({}, "stop"),
        first + chunk({"content": " and more"}) + second + end,
        first + second.replace(b"chatcmpl-1", b"chatcmpl-2") + end,
        first + b'data: {"error": {"message": "no"}}\n\n' + end,
    ):
        with pytest.raises(client.WrongAnswer):
            client.read_stream(came(wrong), wire, 2, native=False)


def test_piece_time_is_that_of_completing_block():
    exchange = came(native(WIRES["google"], 1))
    assert [piece.there for piece in client.read_stream(exchange, WIRES["google"], 1, native=True)] == [3]
