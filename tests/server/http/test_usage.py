"""``/api/v1/usage`` and ``/api/v1/quota``.

A report that a collector sends again counts once, for its own caller; a workspace's figures are its own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import select

from spacekey.domain.usage import TokenUse
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.queries import usage as usage_queries
from spacekey.models.tables.usage import UsageReporter
from spacekey.resolvers.tokens import usage as keep_usage
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
    monkeypatch.setattr(keep_usage, "REPORTERS_MAX", 3)
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


async def test_every_fault_of_a_report_is_told_with_its_row(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        good = {"token_id": "key_1", "at": "2026-06-01T11:30:00Z"}

        async def pointers(*rows: Any) -> list[str]:
            answer = await server.client.post("/api/v1/usage", json={"uses": rows}, headers=bearer(own))
            assert answer.status_code == 422, answer.text
            return [one["pointer"] for one in answer.json()["errors"]]

        assert await pointers(good, {**good, "allowed": -1, "scopes": 1}, 5, {"at": "x"}) == [
            *("/uses/1/allowed", "/uses/1/scopes", "/uses/2", "/uses/3/token_id", "/uses/3/at")
        ]
        assert await pointers({**good, "ip": "x" * 65}, good, {**good, "ip": "\n"}) == ["/uses/0/ip", "/uses/2/ip"]
        asked = {"tokens": [{"token": "a"}, {"token": ""}, {"version": 1, "used_in": "x"}]}
        answer = await server.client.post("/api/v1/introspect/batch", json=asked, headers=bearer(own))
        assert [one["pointer"] for one in answer.json()["errors"]] == [
            *("/tokens/1/token", "/tokens/2/token", "/tokens/2/version", "/tokens/2/used_in")
        ]


async def test_an_owner_sees_the_usage_and_the_quota_of_a_workspace(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        _, own = await server.token(workspace.id, "tokens:read", "usage:read")
        _, part = await server.token(workspace.id, "tokens:read", "usage:read", space_id=space.id)
        busy, _ = await server.token(workspace.id, "jobs:read")
        inside, _ = await server.token(workspace.id, "jobs:read", space_id=space.id)
        now = server.world.clock()
        async with server.world.system.store.changing() as session:
            await keep_usage.add(session, [TokenUse(busy, now, allowed=5, denied=2, limited=1)], now)
            await keep_usage.add(session, [TokenUse(inside, now - timedelta(days=1), allowed=3)], now)

        async def ask(path: str, who: str = own) -> Any:
            answer = await server.client.get(f"/api/v1/{path}", headers=bearer(who))
            assert answer.status_code == 200, answer.text
            return answer.json()

        yesterday = {"day": "2026-05-31", "allowed": 3, "denied": 0, "rate_limited": 0}
        today = {"day": "2026-06-01", "allowed": 5, "denied": 2, "rate_limited": 1}
        assert (await ask("usage"))["days"] == [yesterday, today]
        assert (await ask("usage?days=1"))["days"] == [today]
        assert (await ask("usage", part))["days"] == [yesterday]
        found = (await ask("usage/api-keys"))["api_keys"]
        assert [one["api_key"]["id"] for one in found] == [busy, inside]
        assert {name: found[0][name] for name in ("allowed", "denied", "rate_limited")} == {
            name: today[name] for name in ("allowed", "denied", "rate_limited")
        }
        assert len((await ask("usage/api-keys?limit=1"))["api_keys"]) == 1
        quota = await ask("quota")
        assert quota == {"used": 4, "max": server.world.system.products["spooled"].plans[workspace.plan].tokens_max}
        assert (await server.client.get("/api/v1/quota", headers=bearer(part))).status_code == 404
        for path in ("usage?days=0", "usage?days=367", "usage/api-keys?limit=101"):
            assert (await server.client.get(f"/api/v1/{path}", headers=bearer(own))).status_code == 422


async def test_an_owner_finds_in_the_audit_log_who_did_what(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        admin_id, admin = await server.token(workspace.id, "jobs:read", "tokens:create", "tokens:revoke", "audit:read")
        wish = {"name": "k", "permissions": ["jobs:read"]}
        made = (await server.client.post("/api/v1/api-keys", json=wish, headers=bearer(admin))).json()["id"]
        server.world.clock.forward(hours=1)
        ended = await server.client.post(f"/api/v1/api-keys/{made}/revoke", json={"reason": "x"}, headers=bearer(admin))

        async def events(query: str) -> list[Any]:
            answer = await server.client.get(f"/api/v1/audit-events?{query}", headers=bearer(admin))
            assert answer.status_code == 200, answer.text
            found: list[Any] = answer.json()["audit_events"]
            return found

        (revoked,) = await events("action=token.revoke")
        assert (revoked["target_id"], revoked["outcome"], revoked["at"]) == (
            made,
            "success",
            "2026-06-01T13:00:00.000Z",
        )
        assert (revoked["actor"]["kind"], revoked["actor"]["id"]) == ("token", admin_id)
        assert revoked["request_id"] == ended.headers["x-request-id"]
        assert revoked["after"]["revoked_reason"] == "x"
        assert [one["action"] for one in await events(f"target_id={made}")] == ["token.revoke", "token.create"]
        assert [one["action"] for one in await events(f"actor_id={admin_id}&limit=1")] == ["token.revoke"]
        assert [one["id"] for one in await events("created_after=2026-06-01T12:30:00Z")] == [revoked["id"]]
        assert revoked["id"] not in {one["id"] for one in await events("created_before=2026-06-01T12:30:00Z")}
        assert await events("outcome=alert") == []
        for query in ("outcome=bad", "action=%00", "limit=101", "after=x"):
            assert (await server.client.get(f"/api/v1/audit-events?{query}", headers=bearer(admin))).status_code == 422
