"""The TCP connection under an answer: has the client left, and how to break it."""

import math
import select
import socket
import time


def gone(line: socket.socket, seconds: float) -> bool:
    """Watch a connection for so long and tell whether its other end has left.

    The request was read, so nothing more should come; what comes nevertheless stays unread.
    """
    watch = select.poll()  # unlike select(), it knows no highest descriptor
    watch.register(line, select.POLLIN)
    if not watch.poll(math.ceil(seconds * 1000)):
        return False
    try:
        left = not line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        left = False
    except OSError:
        left = True
    if not left:
        time.sleep(seconds)
    return left


RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger: on, zero seconds


def reset(line: socket.socket | None) -> None:
    """Make the closing of this connection a TCP reset."""
    if line is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def to_be_reset(line: socket.socket) -> bool:
    """Tell whether closing this connection will reset it."""
    try:
        return line.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(RESET_ON_CLOSE)) == RESET_ON_CLOSE
    except OSError:
        return False
