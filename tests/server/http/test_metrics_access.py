"""Who may read ``/metrics``: callers with its token, and without one, programs on the same machine."""

from __future__ import annotations

import httpx
import pytest

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.secret import Secret
from spacekey.server.settings import Settings
from support.server import ORIGIN, bearer, served

TOKEN = "a-token-of-the-monitors-0123456789"


async def from_address(app: object, address: str | None, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=(address or "", 1))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        return await client.get("/metrics", headers=headers)


async def test_without_a_token_only_this_machine_reads_them(database_url: str) -> None:
    async with served(database_url) as server:
        for address in ("127.0.0.1", "127.9.9.9", "::1"):
            assert (await from_address(server.app, address)).status_code == 200
        for elsewhere in ("192.0.2.7", "10.0.0.3", "::ffff:192.0.2.7", "2001:db8::1", "unix:", None):
            answer = await from_address(server.app, elsewhere)
            assert answer.status_code == 403
            assert "SPACEKEY_METRICS_TOKEN" in answer.json()["detail"]
            assert "spacekey_build_info" not in answer.text


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Proto"])
async def test_without_a_token_a_proxy_on_this_machine_reads_nothing(database_url: str, name: str) -> None:
    async with served(database_url) as server:
        assert (await server.client.get("/metrics", headers={name: "127.0.0.1"})).status_code == 403


@pytest.mark.parametrize(
    "given", [{"public_url": "https://keys.example.com"}, {"trusted_proxies": ("127.0.0.1",)}], ids=str
)
async def test_without_a_token_nobody_reads_them_behind_a_proxy(database_url: str, given: dict[str, str]) -> None:
    async with served(database_url, settings=Settings(database_url=database_url, **given)) as server:  # type: ignore[arg-type]
        for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}):
            assert (await server.client.get("/metrics", headers=headers)).status_code == 403


async def test_with_a_token_whoever_sends_it_reads_them(database_url: str) -> None:
    settings = Settings(database_url=database_url, metrics_token=Secret(TOKEN), public_url="https://keys.example.com")
    async with served(database_url, settings=settings) as server:
        good = await server.client.get("/metrics", headers=bearer(TOKEN))
        assert good.status_code == 200
        assert "spacekey_build_info" in good.text
        assert TOKEN not in good.text
        assert (await from_address(server.app, "192.0.2.7", **bearer(TOKEN))).status_code == 200
        absent = await server.client.get("/metrics")
        assert (absent.status_code, absent.headers["WWW-Authenticate"]) == (401, 'Bearer realm="spacekey"')
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        for wrong in (TOKEN[:-1], TOKEN + "x", TOKEN.upper(), secret, "x"):
            refused = await server.client.get("/metrics", headers=bearer(wrong))
            assert refused.status_code == 401
            assert "spacekey_build_info" not in refused.text


@pytest.mark.parametrize("text", ["short", "with a blank in the middle", "umlaut-ä-0123456789-0123456789", "x" * 201])
def test_a_token_that_could_be_guessed_or_not_sent_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SPACEKEY_METRICS_TOKEN") as caught:
        Settings.from_environ({"SPACEKEY_METRICS_TOKEN": text})
    assert text not in str(caught.value)
