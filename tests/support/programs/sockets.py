"""The sockets that another process has open, looked at from outside."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PIDFD_GETFD = 438


@contextmanager
def socket_of(pid: int, client: socket.socket) -> Iterator[socket.socket]:
    """The other end of ``client`` in the process ``pid``, as a copy of its descriptor (``pidfd_getfd(2)``, Linux).

    The process may still have to accept the connection: send something over it and read the answer first.
    """
    wanted = client.getsockname()
    process = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            if not str(entry.readlink()).startswith("socket:"):
                continue
            copy = _copied(process, int(entry.name))
            try:
                peer = copy.getpeername()
            except OSError:  # one that listens
                copy.close()
                continue
            if peer == wanted:
                with copy:
                    yield copy
                return
            copy.close()
    finally:
        os.close(process)
    raise AssertionError("the process has no such connection")


def _copied(process: int, descriptor: int) -> socket.socket:
    library = ctypes.CDLL(None, use_errno=True)
    copy = library.syscall(PIDFD_GETFD, process, descriptor, 0)
    if copy < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return socket.socket(fileno=copy)
