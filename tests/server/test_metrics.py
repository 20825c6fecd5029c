"""What ``/metrics`` shows after real requests, on both databases."""

from __future__ import annotations

import re

import httpx
import pytest

from spacekey.domain.authentication import Authenticated
from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.middleware.observability.metrics import AppMetrics
from spacekey.models.engine.store import SQLITE
from spacekey.models.tables.setting import MAX_STALENESS, Setting
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.settings import Settings
from support.server import ORIGIN, Served, bearer, served
from support.world import EXAMPLES, OPERATOR

SELF = "/api/v1/self"
LINE = re.compile(r'[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? [0-9.e+-]+')


async def shown(server: Served) -> dict[str, float]:
    """Every sample by its name and labels."""
    answer = await server.client.get("/metrics")
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    samples = [line.rsplit(" ", 1) for line in lines]
    found = {name: float(value) for name, value in samples}
    assert len(found) == len(samples), "a series comes twice"
    return found


async def test_reads_t_limits_and_usage_are_shown(database_url: str, database_kind: str) -> None:
    async with served(database_url) as server:
        assert "spacekey_revocation_delay_seconds" not in await shown(server)
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        for sent in (secret, secret, "sp_live_" + "0" * 38):
            await server.client.get(SELF, headers=bearer(sent))
        found = await shown(server)
        assert found["spacekey_read_seconds_count"] == 2, "what has the wrong shape is not read"
        assert found['spacekey_read_seconds_bucket{le="+Inf"}'] == 2
        assert found["spacekey_read_seconds_sum"] > 0
        assert found["spacekey_reads_unanswered_total"] == 0
        assert found["spacekey_revocation_delay_seconds"] == (0 if database_kind == SQLITE else 1)
        assert found['spacekey_limit_decisions_total{decision="allowed"}'] == 2
        assert found['spacekey_limit_decisions_total{decision="limited"}'] == 0
        assert found["spacekey_limits_fallback"] == 0
        assert found["spacekey_usage_waiting"] == 1
        assert found["spacekey_usage_lag_seconds"] > 0
        await server.parts.usage.flush()
        after = await shown(server)
        assert (after["spacekey_usage_waiting"], after["spacekey_usage_lag_seconds"]) == (0, 0)
        assert after["spacekey_usage_lost_total"] == 0
        text = (await server.client.get("/metrics")).text
        for private in (secret, secret[:12], token_id, workspace.id, workspace.slug):
            assert private not in text


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_introspection_reads_too(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, asking = await server.token(workspace.id, "tokens:introspect")
        _, asked = await server.token(workspace.id, "jobs:read")
        answer = await server.client.post("/api/v1/introspect", data={"token": asked}, headers=bearer(asking))
        assert answer.json()["active"]
        assert (await shown(server))["spacekey_read_seconds_count"] == 2


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_refusals_that_could_not_be_written_are_shown(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, token_id, reason="test")

        def gone() -> None:
            raise ServiceUnavailable("gone")

        with monkeypatch.context() as patched:
            patched.setattr(server.world.system.store, "changing", gone)
            assert (await server.client.get(SELF, headers=bearer(secret))).status_code == 401
            await server.parts.refusals.flush()
        found = await shown(server)
        assert found["spacekey_refusals_lost_total"] == 1
        assert found["spacekey_refusals_waiting"] == 0
        assert found['spacekey_verifications_total{reason="revoked",result="rejected"}'] == 1


@pytest.mark.parametrize("database_kind", [SQLITE], indirect=True)
async def test_a_read_that_fails_is_unanswered(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")

        async def gone(_self: object, _digest: bytes) -> None:
            raise ServiceUnavailable("gone")

        monkeypatch.setattr("spacekey.models.lookup.sqlite.SqliteLookup.by_digest", gone)
        assert (await server.client.get(SELF, headers=bearer(secret))).status_code == 503
        found = await shown(server)
        assert found["spacekey_reads_unanswered_total"] == found["spacekey_read_seconds_count"] == 1
        assert found['spacekey_verifications_total{reason="",result="unavailable"}'] == 1
        assert "spacekey_revocation_delay_seconds" not in found


async def test_an_embedded_verifier_tells_its_observer(database_url: str, database_kind: str) -> None:
    """On SQLite every verification is a read and there is nothing to look up; on PostgreSQL the second is a hit."""
    async with served(database_url) as server:
        async with server.world.system.store.changing() as session:
            session.add(Setting(name=MAX_STALENESS, value=30.0))
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        metrics = AppMetrics()
        verifier = DatabaseVerifier(
            database_url, [EXAMPLES / "spooled.toml"], observer=metrics, clock=server.world.clock
        )
        try:
            for _ in range(2):
                assert isinstance(await verifier.verify(Secret(secret)), Authenticated)
        finally:
            await verifier.aclose()
        lines = metrics.text().splitlines()
        assert "spacekey_revocation_delay_seconds 30" in lines
        reads, hits, misses = (2, 0, 0) if database_kind == SQLITE else (1, 1, 1)
        assert f"spacekey_read_seconds_count {reads}" in lines
        assert f'spacekey_cache_lookups_total{{result="hit"}} {hits}' in lines
        assert f'spacekey_cache_lookups_total{{result="miss"}} {misses}' in lines


# Who may read ``/metrics``: callers with its token, and without one, programs on the same machine.


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
