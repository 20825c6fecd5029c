"""A request that is repeated with its idempotency key creates one token, whatever happens between and at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, text
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.bounds import MemoryPlaces
from spacekey.domain.refusal import Conflict, ConflictCode, Forbidden, InputCode, InvalidInput, NotFound
from spacekey.models.engine import store as stores
from spacekey.models.engine.store import Store
from spacekey.models.tables.idempotency import IdempotencyKey
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.caller import Caller, TokenCaller
from spacekey.resolvers.members.members import remove_member
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens import idempotency
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.idempotency import (
    FORGOTTEN_AT_ONCE,
    KEY_LENGTH_MAX,
    IdempotentRequest,
    Replayed,
    idempotent_request,
)
from spacekey.resolvers.tokens.revoke import delete_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from support.world import FACTS, OPERATOR, World, make_world

ASKED = {"name": "CI"}
ONCE = idempotent_request("k1", ASKED)


class Bench:
    """A workspace with an owner, and the two operations that take a key."""

    def __init__(self, world: World, workspace: Any, owner: Caller) -> None:
        self.world, self.workspace, self.owner = world, workspace, owner
        self.old = ""

    async def create(
        self, request: IdempotentRequest | None, *, by: Caller | None = None, system: System | None = None
    ) -> Issued:
        new = NewToken(self.workspace.id, "CI", ("jobs:read",))
        return await create_token(system or self.world.system, by or self.owner, new, request)

    async def rotate(
        self, request: IdempotentRequest | None, *, by: Caller | None = None, system: System | None = None
    ) -> Issued:
        return await rotate_token(
            system or self.world.system, by or self.owner, self.old, grace_seconds=0, request=request
        )

    async def tokens(self) -> int:
        async with self.world.system.store.reading() as session:
            return (await session.exec(select(func.count(col(Token.id))))).one()


async def bench_on(store: Store, *, staleness_seconds: float = 0.0) -> Bench:
    world = make_world(store, staleness_seconds=staleness_seconds)
    workspace = await world.workspace("spooled", plan="enterprise")
    bench = Bench(world, workspace, await world.member(workspace, "owner"))
    bench.old = (await bench.create(None)).view.token.id
    return bench


OPERATIONS: dict[str, Callable[..., Coroutine[Any, Any, Issued]]] = {"create": Bench.create, "rotate": Bench.rotate}


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest) -> Callable[..., Coroutine[Any, Any, Issued]]:
    return OPERATIONS[request.param]


async def test_a_repeated_request_is_answered_with_its_token_and_creates_nothing(store: Store, operation: Any) -> None:
    bench = await bench_on(store)
    first = await operation(bench, ONCE)
    before = await bench.tokens()
    for _ in range(2):
        with pytest.raises(Replayed) as replayed:
            await operation(bench, ONCE)
        assert replayed.value.view.token.id == first.view.token.id
        assert f"rotate {first.view.token.id}" in str(replayed.value)
        assert first.secret.reveal() not in str(replayed.value) + repr(vars(replayed.value))
    assert await bench.tokens() == before


async def test_another_request_with_the_key_is_refused_and_creates_nothing(store: Store, operation: Any) -> None:
    bench = await bench_on(store)
    await operation(bench, ONCE)
    before = await bench.tokens()
    with pytest.raises(InvalidInput) as refused:
        await operation(bench, idempotent_request("k1", {"name": "other"}))
    assert refused.value.faults[0].code is InputCode.IDEMPOTENCY_KEY_REUSED
    assert await bench.tokens() == before


async def test_a_key_belongs_to_one_caller_and_one_operation(store: Store) -> None:
    bench = await bench_on(store)
    other = await bench.world.member(bench.workspace, "owner")
    made = {
        (await bench.create(ONCE)).view.token.id,
        (await bench.create(ONCE, by=other)).view.token.id,
        (await bench.rotate(ONCE)).view.token.id,
    }
    assert len(made) == 3
    for by in (bench.owner, other):
        with pytest.raises(Replayed) as replayed:
            await bench.create(ONCE, by=by)
        assert replayed.value.view.token.id in made
        assert replayed.value.view.token.created_by.id == by.id


async def test_a_caller_that_lost_its_access_is_told_nothing(store: Store, operation: Any) -> None:
    bench = await bench_on(store)
    program = await create_token(
        bench.world.system,
        OPERATOR,
        NewToken(bench.workspace.id, "deployer", ("jobs:read", "tokens:create", "tokens:revoke")),
    )
    token = program.view.token
    caller = TokenCaller(token.id, token.name, token.workspace_id, FACTS)
    await operation(bench, ONCE, by=caller)
    await revoke_token(bench.world.system, OPERATOR, token.id)
    with pytest.raises((NotFound, Forbidden)):
        await operation(bench, ONCE, by=caller)


async def test_a_removed_member_is_told_nothing(store: Store, operation: Any) -> None:
    bench = await bench_on(store)
    member = await bench.world.member(bench.workspace, "owner")
    await operation(bench, ONCE, by=member)
    await remove_member(bench.world.system, OPERATOR, bench.workspace.id, member.id)
    with pytest.raises((NotFound, Forbidden)):
        await operation(bench, ONCE, by=member)


async def test_a_token_that_was_deleted_is_not_shown_again(store: Store) -> None:
    bench = await bench_on(store)
    first = await bench.create(ONCE)
    await delete_token(bench.world.system, OPERATOR, first.view.token.id)
    with pytest.raises(Conflict) as refused:
        await bench.create(ONCE)
    assert refused.value.code == ConflictCode.TOKEN_DELETED


async def test_a_full_plan_does_not_hide_the_token_that_exists(store: Store) -> None:
    bench = await bench_on(store)
    issued = [await bench.create(idempotent_request(f"k{number}", ASKED)) for number in range(3)]
    async with store.changing() as session:
        await (await session.connection()).execute(text("UPDATE spacekey_workspaces SET plan = 'gone'"))
    with pytest.raises(Replayed) as replayed:
        await bench.create(idempotent_request("k0", ASKED))
    assert replayed.value.view.token.id == issued[0].view.token.id


async def test_a_key_is_forgotten_after_24_hours(store: Store) -> None:
    bench = await bench_on(store)
    first = await bench.create(ONCE)
    bench.world.clock.forward(hours=24, microseconds=-1)
    with pytest.raises(Replayed):
        await bench.create(ONCE)
    bench.world.clock.forward(microseconds=1)
    second = await bench.create(ONCE)
    assert second.view.token.id != first.view.token.id
    with pytest.raises(Replayed) as replayed:
        await bench.create(ONCE)
    assert replayed.value.view.token.id == second.view.token.id


async def test_expired_keys_are_removed_a_bounded_number_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "FORGOTTEN_AT_ONCE", 3)
    assert FORGOTTEN_AT_ONCE > 3
    bench = await bench_on(store)
    for number in range(7):
        await bench.create(idempotent_request(f"old{number}", ASKED))
    bench.world.clock.forward(hours=24)
    left = []
    for number in range(3):
        await bench.create(idempotent_request(f"new{number}", ASKED))
        left.append(await _keys(store))
    assert left == [5, 3, 3]


async def test_neither_the_key_nor_the_request_nor_the_secret_is_stored(store: Store, operation: Any) -> None:
    bench = await bench_on(store)
    asked = {"name": "a name that is nowhere else"}
    first = await operation(bench, idempotent_request("a-key-that-is-nowhere-else", asked))
    async with store.reading() as session:
        connection = await session.connection()
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        for table in tables:
            rows = (await connection.execute(text(f'SELECT * FROM "{table}"'))).all()
            kept = json.dumps([[str(value) for value in row] for row in rows])
            for hidden in ("nowhere else", "nowhere-else", first.secret.reveal()):
                assert hidden not in kept, table


@pytest.mark.parametrize("key", ["", "x" * (KEY_LENGTH_MAX + 1), "ключ", "a\nb", "a\0b"])
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        idempotent_request(key, ASKED)
    assert refused.value.faults[0].path == ("idempotency_key",)


async def test_a_repeated_rotation_waits_until_the_old_token_has_ended(store: Store) -> None:
    bench = await bench_on(store, staleness_seconds=7.0)
    await bench.rotate(ONCE)
    bench.world.naps.clear()
    with pytest.raises(Replayed):
        await bench.rotate(ONCE)
    assert bench.world.naps == [7.0]


async def test_a_failure_before_the_commit_leaves_neither_token_nor_key(
    store: Store, operation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await bench_on(store)
    before = await bench.tokens()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the process ends here")

    with monkeypatch.context() as patched:
        patched.setattr("spacekey.resolvers.tokens.create.view_of", broken)
        patched.setattr("spacekey.resolvers.tokens.rotate.view_of", broken)
        with pytest.raises(RuntimeError):
            await operation(bench, ONCE)
    assert (await bench.tokens(), await _keys(store)) == (before, 0)
    assert (await operation(bench, ONCE)).secret


async def test_a_failure_after_the_commit_is_answered_with_the_token(
    store: Store, operation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await bench_on(store)
    before, commit, run = await bench.tokens(), stores._commit, store._changes.run

    async def lost(session: AsyncSession) -> None:
        await commit(session)
        raise RuntimeError("the process ends here")

    async def lost_too(*given: Any) -> None:
        await run(*given)
        raise RuntimeError("the process ends here")

    with monkeypatch.context() as patched:
        patched.setattr(stores, "_commit", lost)
        patched.setattr(store._changes, "run", lost_too)
        with pytest.raises(RuntimeError):
            await operation(bench, ONCE)
    assert (await bench.tokens(), await _keys(store)) == (before + 1, 1)
    with pytest.raises(Replayed):
        await operation(bench, ONCE)


@pytest.mark.parametrize("one_process", [True, False], ids=["one process", "two processes"])
async def test_of_requests_at_once_one_creates_the_token(store: Store, operation: Any, one_process: bool) -> None:
    """In one process the others are told that it is in progress; else they wait for its transaction and are replays."""
    bench = await bench_on(store)
    other = System(**{**_fields(bench.world.system), "places": MemoryPlaces()})

    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(keys=st.lists(st.sampled_from(["a", "b"]), min_size=2, max_size=6), seed=st.integers(0, 10**9))
    def races(keys: list[str], seed: int) -> None:
        asyncio.run_coroutine_threadsafe(race(keys, seed), loop).result()

    async def race(keys: list[str], seed: int) -> None:
        if operation is Bench.rotate:
            bench.old = (await bench.create(None)).view.token.id
        before = await bench.tokens()
        systems = [bench.world.system, bench.world.system if one_process else other]
        answers = await asyncio.gather(
            *(
                operation(
                    bench,
                    idempotent_request(f"{key} {seed} {bench.old} {before}", ASKED),
                    system=systems[number % 2],
                )
                for number, key in enumerate(keys)
            ),
            return_exceptions=True,
        )
        by_key: dict[str, list[Any]] = {key: [] for key in keys}
        for key, answer in zip(keys, answers, strict=True):
            by_key[key].append(answer)
        created = [answer for answer in answers if isinstance(answer, Issued)]
        assert await bench.tokens() == before + len(created)
        assert len(created) == (1 if operation is Bench.rotate else len(by_key))
        for found in by_key.values():
            assert sum(isinstance(one, Issued) for one in found) <= 1
            ids = {one.view.token.id for one in found if isinstance(one, Issued | Replayed)}
            assert len(ids) <= 1
            expected = (ConflictCode.IDEMPOTENCY_KEY_IN_USE, ConflictCode.ALREADY_ROTATED)
            for one in found:
                assert isinstance(one, Issued | Replayed) or (isinstance(one, Conflict) and one.code in expected), one

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(races)


def _fields(system: System) -> dict[str, Any]:
    return {name: getattr(system, name) for name in system.__dataclass_fields__}


async def _keys(store: Store) -> int:
    async with store.reading() as session:
        return (await session.exec(select(func.count(col(IdempotencyKey.token_id))))).one()
