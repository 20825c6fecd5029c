"""Listening for real: addresses, ports that are taken, a request under way when the server stops."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.models.engine.store import POSTGRESQL
from spacekey.server.build import build_system, make_folder
from spacekey.server.serving.serve import address_of, listening_socket
from spacekey.server.settings import Settings
from support.programs.environ import without_settings
from support.server import on_a_socket

PROGRAM = """
from spacekey.server.serving.serve import serve
from spacekey.server.settings import Settings
import os
serve(Settings.from_environ(os.environ), on_start=lambda address: print(address, flush=True))
"""


HEAP = """
import gc, json, os, signal
from spacekey.server.serving.serve import serve
from spacekey.server.settings import Settings

def started(address):
    print(json.dumps({"frozen": gc.get_freeze_count(), "looked_at": len(gc.get_objects())}), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

serve(Settings.from_environ(os.environ), on_start=started)
"""


def test_a_full_garbage_collection_looks_at_nothing_that_was_made_at_the_start(tmp_path: Path) -> None:
    """Else each one stops every request for as long as it takes to look at 150,000 objects."""
    environ = {**without_settings(), "SPACEKEY_DATABASE_URL": f"sqlite:///{tmp_path}/x.db", "SPACEKEY_PORT": "0"}
    done = subprocess.run([sys.executable, "-c", HEAP], env=environ, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["frozen"] > 50_000
    assert told["looked_at"] < told["frozen"] / 50


def test_the_server_answers_on_a_socket(tmp_path: Path) -> None:
    with on_a_socket(Settings(database_url=f"sqlite:///{tmp_path}/x.db")) as address:
        answer = httpx.get(f"{address}/readyz", trust_env=False)
        assert answer.json() == {"status": "ok"}
        assert "server" not in answer.headers


def test_a_taken_port_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"SPACEKEY_PORT: 127.0.0.1:{port} is taken .* another port"):
            listening_socket("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.1", "host.invalid"])
def test_a_foreign_address_names_the_setting(host: str) -> None:
    with pytest.raises(ConfigurationError, match="SPACEKEY_HOST"):
        listening_socket(host, 0)


def test_a_socket_on_every_address_is_shown_as_localhost() -> None:
    with listening_socket("0.0.0.0", 0) as listening:
        assert address_of(listening) == f"http://localhost:{listening.getsockname()[1]}"


@pytest.mark.parametrize("database_kind", [POSTGRESQL], indirect=True)
def test_an_unmigrated_postgresql_is_refused_before_anything_listens(bare_database_url: str) -> None:
    code = "from spacekey.server.serving.serve import serve; from spacekey.server.settings import Settings; import os\n"
    code += "from spacekey.domain.errors import ConfigurationError\n"
    code += "try: serve(Settings.from_environ(os.environ))\nexcept ConfigurationError as error: print(error)"
    environ = without_settings() | {"SPACEKEY_DATABASE_URL": bare_database_url, "SPACEKEY_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=600, check=True
    )
    assert "run 'spacekey migrate'" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_process_serves_logs_json_lines_and_stops_when_told(tmp_path: Path) -> None:
    environ = without_settings() | {
        "SPACEKEY_DATABASE_URL": f"sqlite:///{tmp_path}/deep/folder/x.db",
        "SPACEKEY_PORT": "0",
    }
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.stderr.read() if process.stderr else ""
        assert httpx.get(f"{address}/healthz?q=hidden", trust_env=False).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=600)
    finally:
        process.kill()
        process.wait()
    lines = [json.loads(line) for line in errors.splitlines()]
    assert [line["route"] for line in lines if line["logger"] == "spacekey.access"] == ["/healthz"]
    assert "hidden" not in errors
    assert process.returncode == 0


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    store = build_system(Settings(database_url=f"sqlite:///{file}/x.db")).store
    with pytest.raises(ConfigurationError, match=r"SPACEKEY_DATABASE_URL: the folder .* cannot be made"):
        make_folder(store)
