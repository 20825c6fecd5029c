"""Introspection, revocation and usage: what remote verifiers live on."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from spacekey.domain.authentication import Authenticated, Rejected
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.principal import Kind, Limit
from spacekey.domain.secret import Secret, mint
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.engine.store import SQLITE
from spacekey.models.queries import usage as usage_queries
from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.services import revoke_service
from spacekey.resolvers.tokens.revoke import revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.tokens.verify import AT_ONCE_MAX
from spacekey.server.http.oauth import BATCH_BYTES_MAX
from spacekey.server.http.request_models import INTROSPECTED_MAX as TOKENS_MAX
from support.server import ANSWER_SECONDS_MAX, ORIGIN, Served, bearer, changed, fault_of, served
from support.statements import counting
from support.verifiers.stored import Counting
from support.world import OPERATOR


async def test_a_good_token_is_described_as_remote_verifiers_read_it(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, secret = await server.token(
            workspace.id, "jobs:read", "queues:read", space_id=space.id, expires_in=timedelta(days=1)
        )
        answer = await _introspect(server, own, secret)
        assert answer == {
            "active": True,
            "sub": token_id,
            "token_type": "Bearer",
            "kind": "space",
            "name": "a token",
            "scope": "jobs:read queues:read",
            "workspace_id": workspace.id,
            "space_id": space.id,
            "environment": "live",
            "exp": int((server.world.clock() + timedelta(days=1)).timestamp()),
            "expires_at": "2026-06-02T12:00:00.000Z",
            "rate_limit": {"per_minute": 100, "burst": 20},
            "max_age": 0.0 if server.world.system.store.dialect == SQLITE else 1.0,
        }


async def test_the_remote_verifier_and_this_server_understand_each_other(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        token_id, secret = await server.token(workspace.id, "jobs:read")
        seconds = 100.0
        transport = httpx.ASGITransport(server.app)
        verifier = RemoteVerifier(
            ORIGIN,
            own,
            allow_plain_http=True,
            transport=transport,
            clock=lambda: seconds,
            timeout=ANSWER_SECONDS_MAX,
        )
        verdict = await verifier.verify(Secret(secret))
        assert isinstance(verdict, Authenticated)
        assert verdict.principal.id == token_id
        assert (verdict.principal.kind, verdict.principal.rate_limit) == (Kind.WORKSPACE, Limit(100, 20))
        await revoke_token(server.world.system, OPERATOR, token_id)
        seconds += sum(server.world.naps)  # what the answer to the revocation waited for
        assert isinstance(await verifier.verify(Secret(secret)), Rejected)
        await verifier.aclose()


async def test_everything_else_is_inactive_and_nothing_more(database_url: str) -> None:
    async with served(database_url) as server:
        workspace, foreign = await server.world.workspace("spooled"), await server.world.workspace("emit")
        far = await server.world.space(foreign)
        space, other = await server.world.space(workspace), await server.world.space(workspace, "other")
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, in_space = await server.token(workspace.id, "tokens:introspect", space_id=space.id)
        revoked_id, revoked = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, revoked_id)
        _, sibling = await server.token(workspace.id, "jobs:read", space_id=other.id)
        _, foreigner = await server.token(foreign.id, "jobs:read", space_id=far.id)
        for asker, secret in (
            (own, revoked),
            (own, foreigner),
            (own, "nonsense"),
            (own, changed(revoked)),
            (in_space, sibling),
            (in_space, own),
        ):
            assert await _introspect(server, asker, secret) == {"active": False}
        assert (await _introspect(server, in_space, in_space))["active"] is True
        assert (await _introspect(server, own, sibling))["active"] is True


async def test_introspection_needs_its_scope_and_a_form(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, poor = await server.token(workspace.id, "jobs:read")
        _, own = await server.token(workspace.id, "tokens:introspect")
        path = "/api/v1/introspect"
        refused = await server.client.post(path, data={"token": poor}, headers=bearer(poor))
        assert refused.status_code == 403
        assert 'scope="tokens:introspect"' in refused.headers["www-authenticate"]
        assert (await server.client.post(path, data={"token": own})).status_code == 401
        assert (await server.client.post(path, json={"token": own}, headers=bearer(own))).status_code == 415
        form = bearer(own) | {"Content-Type": "application/x-www-form-urlencoded"}
        for body in ("", "token=", "other=1", "token=a&token=b", "token=%ff", "&".join("a=1" for _ in range(50))):
            assert (await server.client.post(path, content=body, headers=form)).status_code == 400, body
        assert (await server.client.post(path, content="token=" + "x" * 9_000, headers=form)).status_code == 413


async def test_a_token_revokes_itself_without_any_scope(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        assert (await _revoke(server, secret, secret)).status_code == 200
        assert (await server.client.get("/api/v1/self", headers=bearer(secret))).status_code == 401


async def test_others_are_revoked_with_the_scope_alone_and_strangers_never(database_url: str) -> None:
    async with served(database_url) as server:
        workspace, foreign = await server.world.workspace("spooled"), await server.world.workspace("spooled")
        _, weak = await server.token(workspace.id, "jobs:read")
        _, strong = await server.token(workspace.id, "tokens:revoke")
        _, target = await server.token(workspace.id, "jobs:read")
        _, stranger = await server.token(foreign.id, "jobs:read")
        assert (await _revoke(server, weak, target)).status_code == 403
        assert (await server.client.get("/api/v1/self", headers=bearer(target))).status_code == 200
        for one in (target, stranger, "nonsense", changed(target)):
            answer = await _revoke(server, strong, one)
            assert (answer.status_code, answer.content) == (200, b"")
        assert (await server.client.get("/api/v1/self", headers=bearer(target))).status_code == 401
        assert (await server.client.get("/api/v1/self", headers=bearer(stranger))).status_code == 200


async def test_reported_usage_is_added_to_own_tokens_and_left_out_for_others(database_url: str) -> None:
    async with served(database_url) as server:
        workspace, foreign = await server.world.workspace("spooled"), await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect", "tokens:read")
        token_id, _ = await server.token(workspace.id, "jobs:read")
        foreign_id, _ = await server.token(foreign.id, "jobs:read")
        at = "2026-06-01T11:30:00Z"
        use = {"at": at, "ip": "192.0.2.9", "allowed": 3, "denied": 1, "scopes": ["jobs:read", "made:up"]}
        rows = [use | {"token_id": one} for one in (token_id, token_id, foreign_id, "key_unknown")]
        answer = await server.client.post("/api/v1/usage", json={"uses": rows}, headers=bearer(own))
        assert (answer.status_code, answer.json()) == (200, {"accepted": 2})
        shown = await server.client.get(f"/api/v1/api-keys/{token_id}", headers=bearer(own))
        assert shown.json()["last_used_at"] == "2026-06-01T11:30:00.000Z"
        since = server.world.clock() - timedelta(days=1)
        async with server.world.system.store.reading() as session:
            days = await usage_queries.usage_by_day(session, [token_id, foreign_id], since)
            scopes = await usage_queries.scopes_used(session, [token_id], since)
        assert {one: [(day.allowed, day.denied) for day in found] for one, found in days.items()} == {
            token_id: [(6, 2)]
        }
        assert scopes == {token_id: frozenset({"jobs:read"})}


BAD_USE: list[tuple[Any, str]] = [
    ({"uses": "x"}, "uses"),
    ({"uses": [1]}, "uses.0"),
    ({}, "uses"),
    ({"uses": [{"at": "2026-06-01T11:30:00Z"}]}, "uses.0.token_id"),
    ({"uses": [{"token_id": "key_1"}]}, "uses.0.at"),
    ({"uses": [{"token_id": "key_1", "at": "2026-06-01T11:30:00Z", "allowed": -1}]}, "uses.0.allowed"),
    ({"uses": [{"token_id": "key_1", "at": "2026-06-01T11:30:00Z", "allowed": True}]}, "uses.0.allowed"),
    ({"uses": [{"token_id": "key_1", "at": "2026-06-01T11:30:00Z", "alowed": 1}]}, "uses.0.alowed"),
    ({"uses": [{"token_id": "key_1", "at": "2026-06-01T11:30:00Z"}] * 1_001}, "uses"),
]


async def test_bad_reports_are_refused_whole(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        for body, field in BAD_USE:
            answer = await server.client.post("/api/v1/usage", json=body, headers=bearer(own))
            assert (answer.status_code, fault_of(answer)) == (422, field), (body, answer.text)


@pytest.mark.parametrize("path", ["/api/v1/self", "/api/v1/api-keys"])
async def test_the_three_refusals_of_credentials_stay_three(database_url: str, path: str) -> None:
    async with served(database_url) as server:
        absent = await server.client.get(path)
        assert absent.status_code == 401
        assert "error=" not in absent.headers["www-authenticate"]
        unknown = await server.client.get(path, headers=bearer("sp_live_" + "0" * 38))
        assert unknown.status_code == 401
        assert 'error="invalid_token"' in unknown.headers["www-authenticate"]
        twice = await server.client.get(path, headers={"Authorization": "Bearer a b"})
        assert (twice.status_code, twice.json()["code"]) == (400, "invalid_request")


async def _introspect(server: Served, asker: str, secret: str) -> dict[str, Any]:
    answer = await server.client.post("/api/v1/introspect", data={"token": secret}, headers=bearer(asker))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def _revoke(server: Served, asker: str, secret: str) -> httpx.Response:
    return await server.client.post("/api/v1/revoke", data={"token": secret}, headers=bearer(asker))


# What one introspection reads and writes.


PATH = "/api/v1/introspect"


def counted(server: Served) -> Counting:
    """Count what the server's verifier reads."""
    lookup = server.parts.verifier._lookup = Counting(server.parts.verifier._lookup)
    return lookup


async def test_each_credential_is_read_once_and_nothing_else_is_read_or_written(database_url: str) -> None:
    async with served(database_url) as server:
        _, service = await server.service()
        workspace = await server.world.workspace("spooled")
        space = await server.world.space(workspace)
        foreign = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, in_space = await server.token(workspace.id, "tokens:introspect", space_id=space.id)
        _, good = await server.token(workspace.id, "jobs:read")
        revoked_id, revoked = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, revoked_id)
        _, stranger = await server.token(foreign.id, "jobs:read")
        await server.client.post(PATH, data={"token": revoked}, headers=bearer(own))
        await server.parts.refusals.flush()  # it is noted once an hour
        lookup = counted(server)
        for asker, reads in ((own, 2), (in_space, 2), (service, 1)):
            for secret in (good, revoked, stranger, "sp_live_" + "0" * 38, good):
                before = lookup.reads
                # Notes of refusals are written in the background, by no request; they wait here.
                async with server.parts.refusals._writing:
                    with counting(server.world.system.store) as statements:
                        answer = await server.client.post(PATH, data={"token": secret}, headers=bearer(asker))
                assert answer.status_code == 200
                own_read = [one for one in statements if "spacekey_service_secrets" in one]
                assert statements == own_read
                assert len(own_read) <= (asker == service)
                assert lookup.reads - before <= reads


# Introspection of many tokens: each as the single endpoint answers, from one statement, bounded and in slices.


SINGLE, BATCH = "/api/v1/introspect", "/api/v1/introspect/batch"


async def ask(server: Served, asker: str, tokens: Sequence[Any], **more: Any) -> httpx.Response:
    rows = [{"token": one} if isinstance(one, str) else one for one in tokens]
    return await server.client.post(BATCH, json={"tokens": rows, **more}, headers=bearer(asker))


async def results(server: Served, asker: str, tokens: Sequence[Any], **more: Any) -> list[dict[str, Any]]:
    answer = await ask(server, asker, tokens, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


async def test_each_token_is_answered_in_its_place_as_the_single_endpoint_answers(database_url: str) -> None:
    async with served(database_url) as server:
        _, service = await server.service()
        workspace, foreign = await server.world.workspace("spooled"), await server.world.workspace("spooled")
        guarded = await server.world.workspace("guard", plan="paid")
        space = await server.world.space(workspace)
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, in_space = await server.token(workspace.id, "tokens:introspect", space_id=space.id)
        revoked_id, revoked = await server.token(workspace.id, "jobs:read")
        await revoke_token(server.world.system, OPERATOR, revoked_id)
        tokens = [
            (await server.token(workspace.id, "jobs:read", space_id=space.id, expires_in=timedelta(days=1)))[1],
            own,
            revoked,
            in_space,
            (await server.token(foreign.id, "jobs:read"))[1],
            (await server.token(guarded.id, "sessions:read"))[1],
            service,
            mint("sp", "live", secrets.token_bytes).reveal(),
            changed(own),
            "nonsense",
            "ü",
            "x" * 100_000,
        ]
        tokens += [tokens[0], "nonsense", own]
        for asker in (own, in_space, service):
            for environment in (None, "live", "test"):
                told = {} if environment is None else {"environment": environment}
                batch = await results(server, asker, tokens, **told)
                assert len(batch) == len(tokens)
                for token, answer in zip(tokens, batch, strict=True):
                    if len(token) > 8_000:  # more than a form may have
                        assert answer == {"active": False}
                        continue
                    single = await server.client.post(SINGLE, data={"token": token, **told}, headers=bearer(asker))
                    version = answer.pop("version", None)
                    assert answer == single.json()
                    assert (version is not None) == answer["active"]


async def test_only_what_changed_since_the_version_sent_is_described(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        made = [await server.token(workspace.id, "jobs:read", "queues:read") for _ in range(4)]
        tokens = [secret for _, secret in made]
        first = await results(server, own, tokens)
        assert len({each["version"] for each in first}) == 4
        held = [{"token": token, "version": each["version"]} for token, each in zip(tokens, first, strict=True)]
        assert await results(server, own, held) == [{"active": True, "unchanged": True}] * 4
        await update_token(server.world.system, OPERATOR, made[1][0], TokenChanges(grants=("jobs:read",)))
        await revoke_token(server.world.system, OPERATOR, made[2][0])
        held[3]["version"] = held[0]["version"]  # another token's
        again = await results(server, own, held)
        assert again[0] == {"active": True, "unchanged": True}
        assert (again[1]["scope"], again[1]["version"] != held[1]["version"]) == ("jobs:read", True)
        assert again[2] == {"active": False}
        assert again[3] == first[3]


async def test_a_version_is_the_same_in_every_process_and_tells_a_stranger_nothing(database_url: str) -> None:
    async with served(database_url) as server, served(database_url) as other:
        workspace, foreign = await server.world.workspace("spooled"), await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, stranger = await server.token(foreign.id, "tokens:introspect")
        _, secret = await server.token(workspace.id, "jobs:read")
        (answer,) = await results(server, own, [secret])
        held = {"token": secret, "version": answer["version"]}
        assert await results(other, own, [held]) == [{"active": True, "unchanged": True}]
        assert await results(server, stranger, [held]) == [{"active": False}]


@pytest.mark.parametrize("tokens", [1, 30, TOKENS_MAX])
async def test_one_statement_reads_them_all_and_other_tasks_get_their_turns(database_url: str, tokens: int) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        made = [(await server.token(workspace.id, "jobs:read"))[1] for _ in range(min(tokens, 5))]
        asked = [*made, *(mint("sp", "live", secrets.token_bytes).reveal() for _ in range(tokens - len(made)))]
        lookup = server.parts.verifier._lookup = Counting(server.parts.verifier._lookup)
        turns, done = 0, asyncio.Event()

        async def wait_for_turns() -> None:
            nonlocal turns
            while not done.is_set():
                turns += 1
                await asyncio.sleep(0)

        waiting = asyncio.create_task(wait_for_turns())
        with counting(server.world.system.store) as statements:
            answers = await results(server, own, asked)
        done.set()
        await waiting
        assert [answer["active"] for answer in answers] == [True] * len(made) + [False] * (tokens - len(made))
        assert statements == []
        assert lookup.reads == 2  # the caller at the door, and the batch
        assert turns >= 3 * (tokens // AT_ONCE_MAX)  # reading, judging and writing give way in turn


BAD: list[tuple[Any, int, str | None]] = [
    ({}, 422, "tokens"),
    ({"tokens": "x"}, 422, "tokens"),
    ({"tokens": []}, 422, "tokens"),
    ({"tokens": [{"token": "x"}] * (TOKENS_MAX + 1)}, 422, "tokens"),
    ({"tokens": [{"token": "x"}, "x"]}, 422, "tokens.1"),
    ({"tokens": [{"token": "x"}, None]}, 422, "tokens.1"),
    ({"tokens": [{"token": "x"}, {}]}, 422, "tokens.1.token"),
    ({"tokens": [{"token": "x"}, {"token": ""}]}, 422, "tokens.1.token"),
    ({"tokens": [{"token": "x"}, {"token": 7}]}, 422, "tokens.1.token"),
    ({"tokens": [{"token": "x", "version": 7}]}, 422, "tokens.0.version"),
    ({"tokens": [{"token": "x", "versoin": "7"}]}, 422, "tokens.0.versoin"),
    ({"tokens": [{"token": "x", "used_in": "prod"}]}, 422, "tokens.0.used_in"),
    ({"tokens": [{"token": "x"}], "environment": "prod"}, 422, "environment"),
    ({"tokens": [{"token": "x"}], "environment": 7}, 422, "environment"),
    ({"tokens": [{"token": "x"}], "more": 7}, 422, "more"),
    ({"tokens": [{"token": "x" * BATCH_BYTES_MAX}]}, 413, None),
    ([], 400, None),
]


async def test_a_malformed_batch_is_refused_whole_and_names_the_place(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        lookup = server.parts.verifier._lookup = Counting(server.parts.verifier._lookup)
        for body, status, field in BAD:
            before = lookup.reads
            answer = await server.client.post(BATCH, json=body, headers=bearer(own))
            assert (answer.status_code, fault_of(answer)) == (status, field), (str(body)[:80], answer.text)
            assert answer.json()["error"] == "invalid_request"
            assert lookup.reads == before + 1  # the caller
        form = await server.client.post(BATCH, data={"token": own}, headers=bearer(own))
        assert form.status_code == 415


async def test_it_needs_the_scope_and_takes_a_clients_credentials(database_url: str) -> None:
    async with served(database_url) as server:
        _, service = await server.service()
        workspace = await server.world.workspace("spooled")
        _, poor = await server.token(workspace.id, "jobs:read")
        own_id, own = await server.token(workspace.id, "tokens:introspect")
        assert (await ask(server, poor, [poor])).status_code == 403
        body = {"tokens": [{"token": poor}]}
        assert (await server.client.post(BATCH, json=body)).status_code == 401
        for client in ((own_id, own), ("jobs-api", service)):
            answer = await server.client.post(BATCH, json=body, auth=client)
            assert (answer.status_code, answer.json()["results"][0]["active"]) == (200, True)
        wrong = await server.client.post(BATCH, json=body, auth=("key_other", own))
        assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")


async def test_a_caller_that_loses_its_token_while_it_sends_the_batch_learns_nothing(database_url: str) -> None:
    """The caller is verified before its body is read, and it may take its time to send one."""
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        revoked_id, revoked = await server.token(workspace.id, "tokens:introspect")
        lesser_id, lesser = await server.token(workspace.id, "tokens:introspect", "jobs:read")
        _, secret = await server.token(workspace.id, "jobs:read")

        async def slowly(change: Any) -> Any:
            body = json.dumps({"tokens": [{"token": secret}]}).encode()
            yield body[:10]
            await change
            yield body[10:]

        service_id, service = await server.service()
        takes_away = {
            service: revoke_service(server.world.system, OPERATOR, service_id),
            revoked: revoke_token(server.world.system, OPERATOR, revoked_id),
            lesser: update_token(server.world.system, OPERATOR, lesser_id, TokenChanges(grants=("jobs:read",))),
        }
        for own, change in takes_away.items():
            headers = bearer(own) | {"Content-Type": "application/json"}
            answer = await server.client.post(BATCH, content=slowly(change), headers=headers)
            assert answer.status_code == 403
            assert "results" not in answer.json()


async def test_an_outage_is_503_and_no_answer(database_url: str) -> None:
    async with served(database_url) as server:
        _, service = await server.service()
        workspace = await server.world.workspace("spooled")
        _, secret = await server.token(workspace.id, "jobs:read")
        async with server.world.system.store.changing() as session:
            await (await session.connection()).execute(text("ALTER TABLE spacekey_spaces RENAME TO gone"))
        for tokens in ([secret], [secret] * 100):
            answer = await ask(server, service, tokens)
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
            assert answer.headers["retry-after"]


async def test_a_token_that_cannot_be_answered_about_does_not_fail_the_others(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        _, good = await server.token(workspace.id, "jobs:read")
        old_id, old = await server.token(workspace.id, "jobs:read")
        issued = await rotate_token(server.world.system, OPERATOR, old_id, retire_on_first_use=True)

        async def locked(_token_id: str) -> None:
            raise ServiceUnavailable("another program has locked the file", 7)

        server.parts.verifier._first_use = locked
        answers = await results(server, own, [good, issued.secret.reveal(), old])
        assert [each.get("active") for each in answers] == [True, None, True]
        assert answers[1] == {"error": "temporarily_unavailable", "retry_after": 7}


async def test_what_is_refused_is_told_of_the_client_that_sent_each(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        rows = []
        for number in range(2):
            token_id, secret = await server.token(workspace.id, "jobs:read")
            await revoke_token(server.world.system, OPERATOR, token_id)
            rows.append({"token": secret, "client_ip": f"192.0.2.{number}", "client_user_agent": f"agent/{number}"})
        noted: list[tuple[str, str]] = []

        def note(_refused: Rejected, facts: RequestFacts, **_by: Any) -> None:
            noted.append((facts.ip, facts.user_agent))

        monkeypatch.setattr(server.parts.refusals, "note", note)
        assert await results(server, own, rows) == [{"active": False}] * 2
        assert noted == [("192.0.2.0", "agent/0"), ("192.0.2.1", "agent/1")]


async def test_a_batch_records_first_uses_as_single_introspections_do(database_url: str) -> None:
    async with served(database_url) as server:
        workspace = await server.world.workspace("spooled")
        _, own = await server.token(workspace.id, "tokens:introspect")
        old_id, old = await server.token(workspace.id, "jobs:read")
        issued = await rotate_token(server.world.system, OPERATOR, old_id, retire_on_first_use=True)
        new = issued.secret.reveal()
        for unused in ({"token": new, "used_in": "test"}, {"token": old}):
            assert [each["active"] for each in await results(server, own, [unused, old])] == [True, True]
        await results(server, own, [new])
        assert [each["active"] for each in await results(server, own, [new, old])] == [True, False]
