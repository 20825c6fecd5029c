"""Import of keys that other systems made: they verify, are revoked and rotated like ours; rows fail by themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

import pytest

from spacekey.domain.authentication import Authenticated, Reason, Rejected
from spacekey.domain.page import PageRequest, TokenOrder
from spacekey.domain.refusal import Forbidden, InvalidInput, NotFound, ScopeNotAllowed
from spacekey.domain.secret import Secret, parse
from spacekey.models.engine.store import Store
from spacekey.models.lookup.facts import TokenFacts
from spacekey.resolvers.access.caller import TokenCaller
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.imports import ImportedKey, ImportedRow, ImportOutcome, import_keys, read_row
from spacekey.resolvers.tokens.list import TokenSearch, token_list
from spacekey.resolvers.tokens.revoke import delete_token, revoke_secret, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.server.build import build_verifier
from support.imported import SYSTEMS, Other, another, spooled_with
from support.world import FACTS, OPERATOR, World, make_world

IMPORTED, PRESENT, REFUSED = ImportOutcome.IMPORTED, ImportOutcome.PRESENT, ImportOutcome.REFUSED


@pytest.fixture
def world(store: Store) -> World:
    made = make_world(store)
    made.system = replace(made.system, products={**made.system.products, "spooled": spooled_with()})
    return made


def row(other: Other, **given: Any) -> dict[str, Any]:
    return {"hash": other.hash, "name": f"Of {other.format}", "grants": ["jobs:read"], **given}


async def run(
    world: World, workspace_id: str, format_name: str, rows: Iterable[object], caller: Any = OPERATOR, **given: Any
) -> list[ImportedRow]:
    async def keys() -> AsyncIterator[ImportedKey | InvalidInput]:
        for one in rows:
            key = read_row(one if isinstance(one, bytes) else json.dumps(one).encode())
            if key is not None:
                yield key

    done = import_keys(world.system, caller, workspace_id, format_name, keys(), **given)
    return [one async for one in done]


async def verdict_on(world: World, text: str) -> Any:
    system = world.system
    verifier = build_verifier(system.store, system.products, system.clock, 0.0)
    verdict = await verifier.verify(Secret(text))
    [batch] = await verifier.verify_many([Secret(text)])
    await verifier.aclose()
    assert type(batch) is type(verdict)
    return verdict


async def imported(world: World, workspace_id: str, **given: Any) -> list[str]:
    page = await token_list(
        world.system,
        OPERATOR,
        workspace_id,
        search=TokenSearch(imported=True, **given),
        order=TokenOrder.CREATED_AT,
        descending=False,
        request=PageRequest(100),
    )
    return [view.token.id for view in page.rows]


@pytest.mark.parametrize("system", SYSTEMS)
async def test_a_key_of_another_system_lives_like_ours_until_it_is_rotated(world: World, system: str) -> None:
    workspace = await world.workspace("spooled")
    other, stranger = another(system), another(system, 1)
    given = row(other, external_id="user-7", metadata={"a": [1]}, expires_at="2026-07-01T00:00:00Z")
    [done] = await run(world, workspace.id, other.format, [given])
    assert done.outcome is IMPORTED
    principal = (await verdict_on(world, other.key)).principal
    assert (principal.id, principal.scopes, principal.external_id) == (done.token_id, {"jobs:read"}, "user-7")
    assert principal.metadata == {"a": (1,)}
    assert await verdict_on(world, stranger.key) == Rejected(Reason.UNKNOWN)
    assert await verdict_on(world, other.key + "!") == Rejected(Reason.MALFORMED)
    assert await imported(world, workspace.id) == [done.token_id]

    rotated = await rotate_token(world.system, OPERATOR, done.token_id or "", grace_seconds=0)
    assert parse(rotated.secret) is not None
    successor = (await verdict_on(world, rotated.secret.reveal())).principal
    assert (successor.external_id, successor.metadata) == (principal.external_id, principal.metadata)
    assert await verdict_on(world, other.key) == Rejected(Reason.ROTATED, done.token_id)
    assert await imported(world, workspace.id, statuses=frozenset(("active",))) == []
    assert [one.problem for one in await verify_chains(world.system)] == [None, None]


@pytest.mark.parametrize("system", SYSTEMS)
async def test_an_imported_key_is_revoked_by_its_id_and_by_itself(world: World, system: str) -> None:
    workspace = await world.workspace("spooled")
    keys = [another(system, number) for number in (1, 2)]
    done = await run(world, workspace.id, keys[0].format, map(row, keys))
    await revoke_token(world.system, OPERATOR, done[0].token_id or "")
    await revoke_secret(world.system, OPERATOR, Secret(keys[1].key))
    for key, one in zip(keys, done, strict=True):
        assert await verdict_on(world, key.key) == Rejected(Reason.REVOKED, one.token_id)


async def test_rows_succeed_and_fail_by_themselves_and_a_second_run_changes_nothing(world: World) -> None:
    workspace = await world.workspace("spooled", plan="enterprise")
    elsewhere = await world.workspace("spooled", plan="enterprise")
    keys = [another("unkey", number) for number in range(4)]
    assert [one.outcome for one in await run(world, elsewhere.id, "unkey", [row(keys[3])])] == [IMPORTED]
    rows: list[object] = [
        row(keys[0]),
        b"",
        row(keys[1], grants=["jobs:raed"], external_id=" "),
        row(keys[1], hash="$2b$12$" + "a" * 53),
        b"{",
        b'{"hash": "a", "hash": "b", "name": "x"}',
        row(keys[1], scope=["jobs:read"]),
        {"name": "no hash"},
        row(keys[1], expires_at="2020-01-01T00:00:00Z"),
        row(keys[3]),
        row(keys[0], name="twice"),
        row(keys[2]),
        b"x" * 70_000,
    ]
    wanted = [IMPORTED, *[REFUSED] * 8, PRESENT, IMPORTED, REFUSED]
    dry = await run(world, workspace.id, "unkey", rows, dry_run=True)
    assert [one.outcome for one in dry] == wanted
    assert await imported(world, workspace.id) == []
    first = await run(world, workspace.id, "unkey", rows)
    assert [one.outcome for one in first] == wanted
    assert [one.number for one in first] == list(range(1, 13))
    assert first[9].token_id == first[0].token_id
    both = str(first[1].refusal)
    assert "external_id" in both
    assert "jobs:read" in both
    again = await run(world, workspace.id, "unkey", rows)
    assert [one.outcome for one in again] == [PRESENT if one is IMPORTED else one for one in wanted]
    assert [one.token_id for one in again] == [one.token_id for one in first]
    assert len(await imported(world, workspace.id)) == 2
    told = "".join(str(one.refusal) for one in (*dry, *first, *again))
    assert not any(key.hash in told or key.key in told for key in keys)


async def test_no_string_of_another_shape_is_looked_up(world: World) -> None:
    asked: list[bytes] = []

    class Counting:
        async def by_digest(self, digest: bytes) -> TokenFacts | None:
            asked.append(digest)
            return None

        async def by_digests(self, digests: Any) -> dict[bytes, TokenFacts]:
            asked.extend(digests)
            return {}

        async def aclose(self) -> None:
            """Nothing is open."""

    async def first_use(_token: str) -> None:
        raise AssertionError

    verifier = LookupVerifier(Counting(), world.system.products, world.clock, first_use)
    keys = [another(system).key for system in SYSTEMS]
    near = [f"{key[:-1]}!" for key in keys] + [key[:-3] for key in keys] + [key + "é" for key in keys]
    for text in (*near, "", "x", "acme_", "sp_live_" + "a" * 38, "\ud800", "a" * 10_000):
        assert await verifier.verify(Secret(text)) == Rejected(Reason.MALFORMED), text
    assert await verifier.verify_many([Secret(text) for text in near]) == [Rejected(Reason.MALFORMED)] * len(near)
    assert asked == []
    for key in keys:
        assert await verifier.verify(Secret(key)) == Rejected(Reason.UNKNOWN)
    assert len(asked) == len(keys)


READ = ("tokens:read", "jobs:read")


async def token_caller(world: World, workspace_id: str, *grants: str) -> TokenCaller:
    """A program with these scopes."""
    made = (await create_token(world.system, OPERATOR, NewToken(workspace_id, "t", grants))).view.token
    return TokenCaller(made.id, made.name, workspace_id, FACTS)


async def test_who_may_not_create_tokens_imports_none_and_nothing_beyond_their_own_scopes(world: World) -> None:
    workspace = await world.workspace("spooled")
    reader, creator = [await token_caller(world, workspace.id, *grants) for grants in (READ, ("tokens:create",))]
    stranger = await world.member(await world.workspace("spooled"), "owner")
    given = [row(another("unkey"))]
    with pytest.raises(Forbidden):
        await run(world, workspace.id, "unkey", given, reader)
    with pytest.raises(NotFound):
        await run(world, workspace.id, "unkey", given, stranger)
    with pytest.raises(InvalidInput, match=r"key format 'unkye'.*unkey"):
        await run(world, workspace.id, "unkye", given)
    [beyond] = await run(world, workspace.id, "unkey", given, creator)
    assert isinstance(beyond.refusal, ScopeNotAllowed)
    assert await imported(world, workspace.id) == []


async def test_a_deleted_key_and_one_of_another_workspace_do_not_come_back(world: World) -> None:
    workspace, other = await world.workspace("spooled"), await world.workspace("spooled")
    key = another("knox")
    [done] = await run(world, workspace.id, "knox", [row(key)])
    [elsewhere] = await run(world, other.id, "knox", [row(key)])
    assert elsewhere.outcome is REFUSED
    assert workspace.id not in str(elsewhere.refusal)
    await delete_token(world.system, OPERATOR, done.token_id or "")
    [again] = await run(world, workspace.id, "knox", [row(key)])
    assert again.outcome is REFUSED
    assert await verdict_on(world, key.key) == Rejected(Reason.DELETED, done.token_id)


async def test_an_accepted_key_is_a_principal_of_the_kind_of_its_place(world: World) -> None:
    workspace = await world.workspace("spooled")
    space = await world.space(workspace)
    key = another("hexadecimal")
    [done] = await run(world, workspace.id, "hexadecimal", [row(key, space_id=space.id, prefix="old_12")])
    verdict = await verdict_on(world, key.key)
    assert isinstance(verdict, Authenticated)
    assert (verdict.principal.space_id, done.outcome) == (space.id, IMPORTED)
