"""Serve several apps in one process, each on a socket of its own: ``python -m bench._together FD=module:factory …``."""

import asyncio
import importlib
import socket
import sys

import uvicorn

KEEP_ALIVE_SECONDS = 600


async def serve(apps: list[str]) -> None:
    """Until the process is told to end: uvicorn hands the signal on from one server to the next."""
    servers = []
    for described in apps:
        descriptor, _, factory = described.partition("=")
        module, _, name = factory.partition(":")
        app = getattr(importlib.import_module(module), name)()
        config = uvicorn.Config(app, access_log=False, log_level="error", timeout_keep_alive=KEEP_ALIVE_SECONDS)
        servers.append(uvicorn.Server(config).serve([socket.socket(fileno=int(descriptor))]))
    await asyncio.gather(*servers)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
