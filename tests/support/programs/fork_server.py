"""A process that has imported the server, and starts programs by forking: each is spared the seconds of its imports.

``fork_server.py SOCKET`` listens on a Unix socket until its standard input ends. A request is the length of a JSON
document, sent with the program's standard input, output and error as file descriptors, and the document:
``{"python": ["-c", …], "environ": {…}, "cwd": "…"}``, where ``python`` is what Python's command line would be given.
The answers are two lines: the process id, and the exit code when it has ended. A program whose requester is gone is
killed.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

HEADER_BYTES = 8
STREAMS = 3


def main(path: str) -> None:
    """Import what servers and commands import, then serve."""
    _import_all()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # attendants are not waited for
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        while True:
            readable, _, _ = select.select([listening.fileno(), 0], [], [])
            if 0 in readable:
                return
            connection, _ = listening.accept()
            if os.fork() == 0:
                try:
                    _attend(connection)
                finally:
                    os._exit(1)
            connection.close()


def _import_all() -> None:

    import spacekey.examples.jobs
    import spacekey.middleware.fastapi
    import spacekey.middleware.graphql
    import spacekey.middleware.verifiers.remote
    import spacekey.models.migrations.run
    import spacekey.schema.build
    import spacekey.server.app
    import spacekey.server.cli.app
    import spacekey.server.cli.common.findings
    import spacekey.server.cli.common.lookup
    import spacekey.server.database_verifier
    import spacekey.server.serving.serve  # noqa: F401


def _attend(connection: socket.socket) -> None:
    """Start one program, and tell its process id and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    header, descriptors, _, _ = socket.recv_fds(connection, HEADER_BYTES, STREAMS)
    if not header:  # whether the server listens was all that was asked
        return
    left, document = int.from_bytes(header, "big"), b""
    while len(document) < left:
        document += connection.recv(left - len(document))
    asked = json.loads(document)
    pid = os.fork()
    if pid == 0:
        _become(asked, descriptors)
    for one in descriptors:
        os.close(one)
    connection.sendall(f"{pid}\n".encode())
    ended = os.pidfd_open(pid)
    readable, _, _ = select.select([connection.fileno(), ended], [], [])
    if ended not in readable:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(asked: dict[str, Any], descriptors: list[int]) -> NoReturn:
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, one in enumerate(descriptors):
            os.dup2(one, number)
        os.closerange(STREAMS, os.sysconf("SC_OPEN_MAX"))
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["environ"])
        sys.path[:0] = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
        _run(asked["python"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001 - this is where the process ends
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _run(given: list[str]) -> None:
    """Do what Python does with these arguments: ``-W ACTION``, then ``-c CODE``, ``-m MODULE`` or a script."""
    while given[0] == "-W":
        warnings.simplefilter(given[1])  # type: ignore[arg-type]
        sys.warnoptions.append(given[1])
        given = given[2:]
    what, *rest = given
    if what == "-c":
        sys.argv, sys.path[:0] = ["-c", *rest[1:]], [""]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    elif what == "-m":
        sys.argv, sys.path[:0] = rest, [str(Path.cwd())]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[:0] = given, [str(Path(what).parent)]
        runpy.run_path(what, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
