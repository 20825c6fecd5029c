"""Real proxies in front of an app, with the configurations that the docs show, and headers that a client forges."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from support.processes import Installation
from support.running_app import running
from support.server import bearer
from support.tls import free_port

from .test_nginx import nginx

pytestmark = pytest.mark.long

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "behind-a-proxy.md"
IDENTITY = ("token-id", "workspace-id", "space-id", "environment", "scopes", "external-id")
FORGED = {f"X-Spacekey-{name}": "forged" for name in IDENTITY} | {"X_Spacekey_Token_Id": "forged"}
START_SECONDS_MAX = 60.0
Proxy = Callable[[Path, str, str], AbstractContextManager[str]]


async def seen(request: Request) -> JSONResponse:
    """The method and the headers that the app sees."""
    return JSONResponse({"method": request.method, "headers": dict(request.headers)})


APP = Starlette(routes=[Route("/jobs", seen, methods=["GET", "POST", "OPTIONS"])])


@contextmanager
def through_nginx(folder: Path, spacekey: str, app: str) -> Iterator[str]:
    """nginx with the docs' configuration."""
    (block,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    here = str(block).replace("http://127.0.0.1:8000", spacekey).replace("http://127.0.0.1:9000", app)
    with nginx(folder / "nginx", free_port(), here) as url:
        yield url


@contextmanager
def through_caddy(folder: Path, spacekey: str, app: str) -> Iterator[str]:
    """Caddy with the docs' configuration."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("NO CADDY: forward authentication with Caddy is NOT TESTED here; install caddy")
    port = free_port()
    block = next(
        one for one in re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL) if ":8080" in one
    )
    for written, real in ((":8080", f"http://127.0.0.1:{port}"), ("127.0.0.1:8000", spacekey), ("127.0.0.1:9000", app)):
        block = block.replace(written, real.removeprefix("http://") if written != ":8080" else real)
    config = folder / "Caddyfile"
    config.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + block)
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": "/usr/bin"}
    command = [program, "run", "--config", str(config), "--adapter", "caddyfile"]
    with (folder / "caddy.log").open("w") as said:
        process = subprocess.Popen(command, env=home, stderr=said)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                httpx.get(url, trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "caddy.log").read_text()
                assert time.monotonic() < deadline, "Caddy did not start"
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


@pytest.mark.parametrize("proxy", [through_nginx, through_caddy])
def test_a_proxy_lets_through_what_may_pass_and_no_forged_identity(
    proxy: Proxy, installation: Installation, tmp_path: Path
) -> None:
    demo = installation.command("demo")
    workspace = next(one for one in demo["workspaces"] if one["product"] == "spooled")["id"]

    def token(name: str, *grants: str) -> dict[str, Any]:
        made: dict[str, Any] = installation.command("token", "create", name, "-w", workspace, *grants)
        return made

    good, lacking = token("t", "--grant", "jobs:read"), token("u", "--grant", "queues:read")
    with installation.serving() as spacekey, running(APP) as app, proxy(tmp_path, spacekey, app) as url:

        def ask(method: str = "GET", secret: str | None = None, **headers: str) -> httpx.Response:
            sent = FORGED | ({} if secret is None else bearer(secret)) | headers
            return httpx.request(method, f"{url}/jobs?scope=x", headers=sent, trust_env=False, timeout=30)

        for method in ("GET", "POST"):
            passed = ask(method, good["secret"], Cookie="__Host-spacekey=x")
            assert passed.status_code == 200, passed.text
            found = passed.json()
            assert found["method"] == method
            there = {name: value for name, value in found["headers"].items() if "spacekey" in name.replace("_", "-")}
            there.pop("x_spacekey_token_id", None)  # Caddy passes it on; apps that take it for the same name see both
            assert there == {
                "x-spacekey-token-id": good["id"],
                "x-spacekey-workspace-id": workspace,
                "x-spacekey-environment": "live",
                "x-spacekey-scopes": "jobs:read",
                **dict.fromkeys(there.keys() & {"x-spacekey-space-id", "x-spacekey-external-id"}, ""),
            }
            assert "authorization" not in found["headers"]
        preflight = ask("OPTIONS", Origin="https://a.example")
        assert preflight.status_code == 200
        assert not [name for name in preflight.json()["headers"] if name.startswith("x-spacekey")]
        absent = ask()
        assert absent.status_code == 401
        assert absent.headers.get_list("www-authenticate") == ['Bearer realm="spacekey"']
        assert ask(secret="sp_live_" + "0" * 38).status_code == 401
        refused = ask(secret=lacking["secret"])
        assert refused.status_code == 403
        assert 'scope="jobs:read"' in refused.headers["www-authenticate"]
        assert refused.headers["cache-control"] == "no-store"
        answers = [ask(secret=good["secret"]) for _ in range(30)]
        limited = [one for one in answers if one.status_code != 200]
        assert {one.status_code for one in limited} == {429}
        assert int(limited[0].headers["retry-after"]) >= 1
        twice = httpx.get(
            f"{url}/jobs", headers=[("Authorization", "Bearer a"), ("Authorization", "Bearer b")], trust_env=False
        )
        assert twice.status_code == 400
    (tmp_path / "down").mkdir()
    with running(APP) as app, proxy(tmp_path / "down", f"http://127.0.0.1:{free_port()}", app) as url:
        down = httpx.get(f"{url}/jobs", headers=bearer(good["secret"]), trust_env=False, timeout=30)
        assert down.status_code in (502, 503)
