"""A program that makes a verifier, counts, and forks workers that count: ``forking.py TOKEN_ID store|remote URL …``.

It ends with 0 when every worker did. Started by ``test_usage_forked.py``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback

from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import packaged_products

CLIENT = ("192.0.2.7", 1)
WORKERS = 3
EACH = 100
BEFORE = 7
Made = DatabaseVerifier | RemoteVerifier


def main(token_id: str, kind: str, url: str, own: str = "") -> int:
    """The parent counts before it forks and writes that when it ends, after its workers."""
    verifier: Made = (
        RemoteVerifier(url, own, timeout=30.0) if kind == "remote" else DatabaseVerifier(url, packaged_products())
    )
    with asyncio.Runner() as runner:
        runner.run(_count(verifier, token_id, BEFORE))
        ended = [_forked(verifier, token_id) for _ in range(WORKERS)]
        runner.run(verifier.aclose())
    return max(ended)


def _forked(verifier: Made, token_id: str) -> int:
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        asyncio.run(_work(verifier, token_id))
        code = 0
    except BaseException:  # noqa: BLE001 - the child must not go on as a copy of its parent
        traceback.print_exc()
    finally:
        os._exit(code)


async def _work(verifier: Made, token_id: str) -> None:
    """A worker's life, in two batches."""
    usage = verifier.usage
    if usage is None or (usage.waiting, usage.lost, usage.lag_seconds) != (0, 0, 0.0):
        raise RuntimeError("the worker holds what its parent counted")
    await _count(verifier, token_id, EACH // 2)
    await usage.flush()
    await _count(verifier, token_id, EACH - EACH // 2)
    await verifier.aclose()
    if (usage.waiting, usage.lost) != (0, 0):
        raise RuntimeError("something is not known to be kept")


async def _count(verifier: Made, token_id: str, count: int) -> None:
    if verifier.usage is not None:
        for _ in range(count):
            verifier.usage.allowed(token_id, CLIENT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
