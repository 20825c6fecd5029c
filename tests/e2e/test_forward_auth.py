"""Real proxies in front of an app, with the configurations that the docs show, and headers that a client forges."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
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
from support.servers.tls import free_port

from .test_nginx import nginx

pytestmark = pytest.mark.long

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "behind-a-proxy.md"
IDENTITY = ("token-id", "workspace-id", "space-id", "environment", "scopes", "external-id")
FORGED = {f"X-Spacekey-{name}": "forged" for name in IDENTITY} | {
    "X_Spacekey_Token_Id": "forged",  # the same name to some apps
    "X-Spacekey_Token-Id": "forged",
    "x_spacekey-scopes": "forged",
}
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


SEEN: list[tuple[str, str]] = []


async def noted(request: Request) -> JSONResponse:
    """What the app is asked for, and the token that the proxy has named."""
    SEEN.append((request.scope["path"], request.headers.get("x-spacekey-token-id", "")))
    return JSONResponse({"headers": dict(request.headers)})


EVERYTHING = Starlette(routes=[Route("/{path:path}", noted, methods=["GET", "POST"])])
OPEN = "/health"
TARGETS = [
    "/jobs/../health", "/jobs/%2e%2e/health", "/jobs/%2E%2E%2Fhealth", "/jobs/..%2fhealth", "/jobs%2f..%2fhealth",
    "/jobs/./../health", "/jobs//../health", "//jobs/../health", "/jobs/x/../../health", "/health/../jobs",
    "/health/%2e%2e/jobs", "/health/..%2fjobs", "/health/../health/../jobs/1", "/./jobs", "//jobs", "///jobs//1",
    "/%6aobs", "/%6Aobs/1", "/jobs", "/jobs/", "/jobs/1", "/jobs?scope=", "/jobs?/../health", "/jobs;/../health",
    "/health/..;/jobs", "/health;/../jobs", "/jobs%3b/../health", "/jobs/%252e%252e/health", "/jobs/..%252fhealth",
    "/health/%2e%2e%2f/jobs", "/jobs%00/../health", "/health%00/../jobs", "/jobs/..%5c..%5chealth", "/health/",
    "/health//", "/health/.", "/health#/jobs", "/JOBS", "/Jobs/1", "/HEALTH", "/.", "/..", "/", "*",
    "/jobs/%c0%ae%c0%ae/health",
]  # fmt: skip


def raw(url: str, method: str, target: str, headers: Sequence[tuple[str, str]]) -> tuple[int, bytes]:
    """One request with a target and headers as they are."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.putrequest(method, target)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("proxy", [through_nginx, through_caddy])
def test_no_spelling_of_a_path_and_no_connection_header_gets_past_a_proxy(
    proxy: Proxy, installation: Installation, tmp_path: Path
) -> None:
    demo = installation.command("demo")
    workspace = next(one for one in demo["workspaces"] if one["product"] == "emit")
    space = json.loads(installation.run("space", "list", "-w", workspace["id"], "--jsonl").stdout.splitlines()[0])["id"]
    made = installation.command("token", "create", "s", "-w", workspace["id"], "--space", space, "--grant", "jobs:read")
    with installation.serving() as spacekey, running(EVERYTHING) as app, proxy(tmp_path, spacekey, app) as url:
        SEEN.clear()
        assert raw(url, "GET", OPEN, list(FORGED.items()))[0] == 200
        assert SEEN == [(OPEN, "")]
        for target in TARGETS:
            for headers in ([], list(FORGED.items())):
                raw(url, "GET", target, headers)
        assert {path.lower() for path, _ in SEEN} == {OPEN}  # Caddy's paths know no case
        assert {token for _, token in SEEN} == {""}
        SEEN.clear()
        sent = [("Authorization", f"Bearer {made['secret']}")]
        for named in (
            "X-Spacekey-Space-Id",
            "close, x-spacekey-space-id",
            "keep-alive,X-SPACEKEY-SCOPES",
            "Authorization",
        ):
            status, body = raw(url, "GET", "/jobs", [*sent, ("Connection", named)])
            if status == 200:
                headers = json.loads(body)["headers"]
                assert (headers["x-spacekey-space-id"], headers["x-spacekey-scopes"]) == (space, "jobs:read"), named
            else:
                assert (status, SEEN) in ((400, []), (401, [])), named
            SEEN.clear()
