"""The TCP connection of a response: detecting a disconnect, and resetting it."""

import math
import select
import socket
import time


def client_has_left(connection: socket.socket, seconds: float) -> bool:
    """Wait up to `seconds` and return whether the client has closed the connection.

    The request has been read; further data stays unread.
    """
    watch = select.poll()  # unlike select(), without a limit on descriptor numbers
    watch.register(connection, select.POLLIN)
    if not watch.poll(math.ceil(seconds * 1000)):
        return False
    try:
        disconnected = not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        disconnected = False
    except OSError:
        disconnected = True
    if not disconnected:
        time.sleep(seconds)
    return disconnected


RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger: on, zero seconds


def reset(connection: socket.socket | None) -> None:
    """Make closing this connection send a TCP reset."""
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def will_be_reset(connection: socket.socket) -> bool:
    """Return whether closing this connection sends a TCP reset."""
    try:
        return (
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(RESET_ON_CLOSE)) == RESET_ON_CLOSE
        )
    except OSError:
        return False
