"""Below a path of a real nginx, with the configuration that the docs show, in both ways that they show."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from support.people import sign_in
from support.processes import OWNER_EMAIL, OWNER_PASSWORD, Installation
from support.server import bearer
from support.servers.tls import free_port

pytestmark = pytest.mark.long

MISSING = "NO NGINX: Spacekey below a path of a real proxy is NOT TESTED here; install nginx"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "many-machines.md"
START_SECONDS_MAX = 60.0


def location(upstream: str, *, keeps: bool) -> str:
    """The docs' configuration, for a server at another address."""
    (block,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    kept, taken_away = re.findall(r"http://127\.0\.0\.1:8000/?", block)
    assert (kept, taken_away) == ("http://127.0.0.1:8000", "http://127.0.0.1:8000/")
    return str(block).replace(f"{kept};", f"{upstream}{'' if keeps else '/'};", 1)


@contextmanager
def nginx(folder: Path, port: int, inside: str) -> Iterator[str]:
    """A real nginx with these locations; gives its address."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.skip(MISSING)
    folder.mkdir()
    config = folder / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port};\n{inside}\n}} }}\n"
    )
    process = subprocess.Popen([program, "-e", f"{folder}/error.log", "-p", folder, "-c", config])
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx did not start")


@pytest.mark.parametrize("keeps", [True, False], ids=["keeps the path", "takes it away"])
def test_the_configuration_in_the_docs_works(installation: Installation, tmp_path: Path, keeps: bool) -> None:
    port = free_port()
    demo = installation.command("demo")
    told = {"SPACEKEY_PUBLIC_URL": f"http://127.0.0.1:{port}/keys", "SPACEKEY_TRUSTED_PROXIES": "127.0.0.1"}
    server = replace(installation, extra=told)
    with server.serving() as upstream, nginx(tmp_path / "nginx", port, location(upstream, keeps=keeps)) as url:
        page = httpx.get(f"{url}/keys", follow_redirects=True, trust_env=False)
        assert str(page.url) == f"{url}/keys/"
        files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(files) == 4
        for file in files:
            assert httpx.get(urljoin(str(page.url), file), trust_env=False).status_code == 200, file
        assert httpx.get(f"{url}/keys/workspace/ws_1/usage", trust_env=False).text == page.text
        with sign_in(f"{url}/keys", OWNER_EMAIL, OWNER_PASSWORD) as owner:
            assert owner.ask("{ me { user { email } } }")["me"]["user"]["email"] == OWNER_EMAIL
        workspace = next(one for one in demo["workspaces"] if one["product"] == "spooled")["id"]
        token = installation.command("token", "create", "t", "-w", workspace, "--grant", "tokens:create",
                                     "--grant", "jobs:read")  # fmt: skip
        body = {"name": "k", "permissions": ["jobs:read"]}
        made = httpx.post(f"{url}/keys/api/v1/api-keys", json=body, headers=bearer(token["secret"]), trust_env=False)
        assert made.status_code == 201, made.text
        assert made.headers["location"] == f"/keys/api/v1/api-keys/{made.json()['id']}"
        document = httpx.get(f"{url}/keys/api/v1/openapi.json", trust_env=False).json()
        assert document["servers"][0]["url"] == "/keys"
        assert httpx.get(f"{upstream}/readyz", trust_env=False).status_code == 200
