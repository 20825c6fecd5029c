"""``POST /api/v1/usage`` as a collector uses it: a batch that is sent again counts once, for its own caller."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select

from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.queries import usage as usage_queries
from spacekey.models.tables.usage import UsageReporter
from spacekey.resolvers.tokens import usage as report_usage
from spacekey.resolvers.tokens.list import token_view
from support.server import ANSWER_SECONDS_MAX, ORIGIN, Served, bearer, fault_of, served
from support.world import OPERATOR, StoppedClock


async def _counts(server: Served, token_id: str) -> tuple[int, int, int]:
    since = server.world.clock() - timedelta(days=8)
    async with server.world.system.store.reading() as session:
        days = (await usage_queries.usage_by_day(session, [token_id], since)).get(token_id, [])
    return sum(day.allowed for day in days), sum(day.denied for day in days), sum(day.limited for day in days)


async def test_a_batch_that_is_sent_again_counts_once_and_for_its_own_caller_only(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        (_, one), (_, other) = [await server.token(workspace.id, "tokens:introspect") for _ in range(2)]
        token_id, _ = await server.token(workspace.id, "jobs:read")

        async def report(secret: str, **name: Any) -> int:
            body = {"uses": [{"token_id": token_id, "at": "2026-06-01T11:30:00Z", "allowed": 1}], **name}
            answer = await server.client.post("/api/v1/usage", json=body, headers=bearer(secret))
            assert answer.status_code == 200, answer.text
            accepted: int = answer.json()["accepted"]
            return accepted

        assert [await report(one, reporter="r", number=number) for number in (1, 1, 3, 2, 3, 4)] == [1, 0, 1, 0, 0, 1]
        assert await report(other, reporter="r", number=1) == 1
        assert [await report(one) for _ in range(2)] == [1, 1]
        assert await _counts(server, token_id) == (6, 0, 0)


async def test_a_row_that_is_too_old_costs_the_others_nothing_and_is_told(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, _ = await server.token(workspace.id, "jobs:read")
        now = server.world.clock()
        old, oldest = {"allowed": 2, "denied": 3, "rate_limited": 4}, now - timedelta(days=7)
        rows = [
            {"token_id": token_id, "at": at.isoformat(), **counts}
            for at, counts in ((now, {"allowed": 500}), (oldest, {"denied": 1}), (oldest - timedelta(seconds=1), old))
        ]
        for accepted in (2, 0):  # and once more under the same number, for an answer that was lost
            body = {"uses": rows, "reporter": "r", "number": 1}
            answer = await server.client.post("/api/v1/usage", json=body, headers=bearer(own))
            assert (answer.status_code, answer.json()) == (200, {"accepted": accepted, "requests_too_old": 9})
        assert await _counts(server, token_id) == (500, 1, 0)


@pytest.mark.parametrize("ahead", [timedelta(minutes=1), timedelta(minutes=6), timedelta(days=400)], ids=str)
async def test_a_reporter_whose_clock_is_ahead_counts_now(database_url: str, ahead: timedelta) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, _ = await server.token(workspace.id, "jobs:read")
        now = server.world.clock()
        use = {"token_id": token_id, "at": (now + ahead).isoformat(), "allowed": 1, "scopes": ["jobs:read"]}
        answer = await server.client.post("/api/v1/usage", json={"uses": [use]}, headers=bearer(own))
        assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
        assert await _counts(server, token_id) == (1, 0, 0)
        assert (await token_view(server.world.system, OPERATOR, token_id)).token.last_used_at == now
        async with server.world.system.store.reading() as session:
            assert not await usage_queries.scopes_used(session, [token_id], now + timedelta(seconds=1))


async def test_what_a_remote_app_counted_too_long_ago_is_known_to_be_lost(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, _ = await server.token(workspace.id, "jobs:read")
        clock = StoppedClock(server.world.clock() - timedelta(days=8))
        transport = httpx.ASGITransport(server.app)
        verifier = RemoteVerifier(
            ORIGIN, own, allow_plain_http=True, transport=transport, now=clock, timeout=ANSWER_SECONDS_MAX
        )
        usage = verifier.usage
        assert usage is not None
        for _ in range(3):
            usage.allowed(token_id, None)
        clock.forward(days=8)
        usage.allowed(token_id, None)
        with caplog.at_level("ERROR", "spacekey.usage"):
            await usage.flush()
        assert (usage.lost, usage.waiting) == (3, 0)
        assert "usage of 3 requests is lost" in caplog.text
        assert await _counts(server, token_id) == (1, 0, 0)
        await verifier.aclose()


async def test_a_row_of_refusals_alone_moves_no_last_use(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, _ = await server.token(workspace.id, "jobs:read")
        use = {"token_id": token_id, "at": "2026-06-01T11:30:00Z", "denied": 2, "used": False}
        answer = await server.client.post("/api/v1/usage", json={"uses": [use]}, headers=bearer(own))
        assert answer.json() == {"accepted": 1}
        assert await _counts(server, token_id) == (0, 2, 0)
        assert (await token_view(server.world.system, OPERATOR, token_id)).token.last_used_at is None


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ({"reporter": "r"}, "number"),
        ({"number": 1}, "reporter"),
        ({"reporter": "", "number": 1}, "reporter"),
        ({"reporter": "a/b", "number": 1}, "reporter"),
        ({"reporter": "r" * 65, "number": 1}, "reporter"),
        ({"reporter": "é", "number": 1}, "reporter"),
        ({"reporter": "r", "number": 0}, "number"),
        ({"reporter": "r", "number": 2**53}, "number"),
        ({"reporter": "r", "number": "1"}, "number"),
    ],
)
async def test_a_batch_with_a_wrong_name_is_refused(database_url: str, name: dict[str, Any], field: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        answer = await server.client.post("/api/v1/usage", json={"uses": [], **name}, headers=bearer(own))
        assert (answer.status_code, fault_of(answer)) == (422, field)


async def test_introspection_counts_no_request_but_the_denial_of_a_dead_token(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        own_id, own = await server.token(workspace.id, "tokens:introspect")
        token_id, secret = await server.token(workspace.id, "jobs:read", expires_in=timedelta(minutes=1))
        used = server.world.clock()
        for active in (True, False):
            asked = await server.client.post("/api/v1/introspect", data={"token": secret}, headers=bearer(own))
            assert asked.json()["active"] is active
            server.world.clock.forward(minutes=1)
        await server.parts.usage.flush()
        token = (await token_view(server.world.system, OPERATOR, token_id)).token
        assert (token.last_used_at, await _counts(server, token_id)) == (used, (0, 1, 0))
        assert await _counts(server, own_id) == (2, 0, 0)


async def test_what_a_remote_app_counted_arrives_once_though_answers_were_lost(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, _ = await server.token(workspace.id, "jobs:read", "jobs:write")
        inner = httpx.ASGITransport(server.app)
        lost = iter([True, True, False, True, False])

        class Losing(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                response = await inner.handle_async_request(request)
                if next(lost, False):
                    raise httpx.ReadTimeout("the answer was lost")
                return response

        verifier = RemoteVerifier(
            ORIGIN,
            own,
            timeout=ANSWER_SECONDS_MAX,
            allow_plain_http=True,
            transport=Losing(),
            now=server.world.clock,
            entries_max=10,
        )
        assert verifier.usage is not None
        for number in range(5):
            verifier.usage.allowed(token_id, ("192.0.2.3", 1), frozenset({"jobs:read"}))
            await verifier.usage.flush()
            assert number > 0 or verifier.usage.waiting == 1
        await verifier.aclose()
        assert await _counts(server, token_id) == (5, 0, 0)
        token = (await token_view(server.world.system, OPERATOR, token_id)).token
        assert (token.last_used_at, token.last_used_ip) == (server.world.clock(), "192.0.2.3")


async def test_a_batch_of_which_nothing_is_kept_leaves_nothing_behind(database_url: str) -> None:
    """No rows, foreign ones, old ones: a table that each request makes longer would be filled for nothing."""
    async with served(database_url) as server:
        workspace, foreign = [await server.world.workspace("spooled") for _ in range(2)]
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, _ = await server.token(workspace.id, "jobs:read")
        other_id, _ = await server.token(foreign.id, "jobs:read")
        now = server.world.clock()
        old = (now - timedelta(days=8)).isoformat()
        nothing: list[list[dict[str, Any]]] = [
            [],
            [{"token_id": other_id, "at": now.isoformat(), "allowed": 1}],
            [{"token_id": token_id, "at": old, "allowed": 1}],
        ]
        for number, uses in enumerate(nothing):
            body = {"uses": uses, "reporter": f"r{number}", "number": 1}
            answer = await server.client.post("/api/v1/usage", json=body, headers=bearer(own))
            assert (answer.status_code, answer.json()["accepted"]) == (200, 0)
        assert await _reporters(server) == set()


async def test_a_caller_has_a_bounded_number_of_reporters(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_usage, "REPORTERS_MAX", 3)
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        (one_id, one), (two_id, two) = [await server.token(workspace.id, "tokens:introspect") for _ in range(2)]
        token_id, _ = await server.token(workspace.id, "jobs:read")
        for own, reporter in ((two, "kept"), *((one, f"r{number}") for number in range(5)), (one, "r4")):
            server.world.clock.forward(seconds=1)
            uses = [{"token_id": token_id, "at": server.world.clock().isoformat(), "allowed": 1}]
            body = {"uses": uses, "reporter": reporter, "number": int(server.world.clock().timestamp())}
            answer = await server.client.post("/api/v1/usage", json=body, headers=bearer(own))
            assert answer.json() == {"accepted": 1}
        assert await _reporters(server) == {f"{two_id}/kept", f"{one_id}/r2", f"{one_id}/r3", f"{one_id}/r4"}


async def _reporters(server: Served) -> set[str]:
    """Those of callers over HTTP; the server's own collector has no caller."""
    async with server.world.system.store.reading() as session:
        return {one.id for one in (await session.exec(select(UsageReporter))).all() if "/" in one.id}
