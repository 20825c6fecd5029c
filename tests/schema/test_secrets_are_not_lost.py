"""Whatever is selected below or beside it, once a secret's token is committed the first answer has the secret.

A secret is shown once. An answer that loses it leaves a live token that no one can use, and after a rotation without
grace an outage, because the old token is dead already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.authentication import Authenticated
from spacekey.domain.errors import ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.models.engine import store as stores
from spacekey.models.engine.store import Store
from spacekey.models.tables.token import Token
from spacekey.resolvers.accounts.sessions import session_outcome, sign_in
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.verify import LookupVerifier
from support.databases import lookup_on
from support.schema import spacekey_schema
from support.volume import volume
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

EXAMPLES = volume(short=10, long=40)

GOOD = ("id", "name scopes", "createdAt", "rotatedFrom { id }", "workspace { id }", "usage(days: 7) { day }")
BAD = (
    "usage(days: 1000) { day allowed }",
    "usage(days: 0) { day }",
    "unusedScopes(days: -1)",
    "workspace { tokens(first: 100000) { nodes { id } } }",
    'workspace { tokens(first: 1, after: "nonsense") { nodes { id } } }',
    "workspace { tokens(first: 1, last: 1) { nodes { id } } }",
    'workspace { tokens(first: 1, filter: {text: "\\u0000"}) { nodes { id } } }',
    'workspace { auditLog(first: 1, filter: {actorId: "?"}) { nodes { id } } }',
    "workspace { spaces(last: -1) { nodes { id } } }",
    "workspace { members(first: 0) { nodes { id } } }",
)
BESIDE = (
    'revokeToken(input: {id: "key_nothing"}) { __typename }',
    'rotateToken(input: {id: "key_nothing", graceSeconds: 0}) { __typename ... on RotateTokenSuccess { secret } }',
    'deleteToken(input: {id: "?"}) { __typename }',
    'updateToken(input: {id: "key_nothing", name: ""}) { __typename }',
    "revokeTokens(input: {ids: []}) { __typename }",
    'createToken(input: {ownerId: "spc_nothing", name: "x", grants: ["jobs:read"]}) { __typename }',
    'setRole(input: {workspaceId: "wsp_nothing", name: "x", grants: ["no:such"]}) { __typename }',
    'changeMemberRole(input: {workspaceId: "?", userId: "?", role: "?"}) { __typename }',
    "signOut { __typename }",
)
SUCCESS = {"create": "CreateTokenSuccess", "rotate": "RotateTokenSuccess"}

selections = st.lists(st.sampled_from((*GOOD, *BAD)), min_size=1, max_size=4, unique=True)
neighbours = st.lists(st.sampled_from(BESIDE), max_size=3)


@contextmanager
def a_database_that_goes_away_after(store: Store, changes: int | None) -> Iterator[None]:
    """Within, every read fails once that many changes were committed; None: it stays."""
    if changes is None:
        yield
        return
    reading, read, commit = store.reading, store.read, stores._commit
    done = 0

    async def counting(session: AsyncSession) -> None:
        nonlocal done
        await commit(session)
        done += 1

    def check() -> None:
        if done >= changes:
            raise ServiceUnavailable("the database went away")

    def gone(work: Callable[..., Any]) -> Callable[..., Any]:
        def begin(*given: Any, **named: Any) -> Any:
            check()
            return work(*given, **named)

        return begin

    patched: Any = store
    patched.reading, patched.read, stores._commit = gone(reading), gone(read), counting
    try:
        yield
    finally:
        del patched.reading, patched.read
        stores._commit = commit


async def number_of_tokens(store: Store) -> int:
    async with store.reading() as session:
        return (await session.exec(select(func.count(col(Token.id))))).one()


class Scene:
    """A workspace, a token to rotate, and an owner who asks."""

    def __init__(self, store: Store) -> None:
        self.world: World = make_world(store)

    async def set_up(self) -> None:
        workspace = await self.world.workspace("guard", plan="paid")
        self.workspace = workspace.id
        owner = await self.world.member(workspace, "owner")
        opened = await sign_in(self.world.system, FACTS, email=owner.name, password=PASSWORD)
        verdict = await session_outcome(self.world.system, opened.secret)
        assert isinstance(verdict, Authenticated)
        self.principal = verdict.principal

    async def mutation(self, kind: str) -> str:
        if kind == "create":
            return f'createToken(input: {{ownerId: "{self.workspace}", name: "t", grants: ["sessions:read"]}})'
        issued = await create_token(self.world.system, OPERATOR, NewToken(self.workspace, "old", ("sessions:read",)))
        return f'rotateToken(input: {{id: "{issued.view.token.id}", graceSeconds: 0}})'


@pytest.mark.repeats
@pytest.mark.parametrize("kind", ["create", "rotate"])
def test_a_committed_token_has_its_secret_in_the_first_answer(database_url: str, kind: str) -> None:
    with asyncio.Runner() as runner:
        store = Store(database_url)
        scene = Scene(store)
        runner.run(scene.set_up())
        committed = 0

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @given(below=selections, before=neighbours, after=neighbours, away=st.sampled_from([None, None, 1]))
        def check(below: list[str], before: list[str], after: list[str], away: int | None) -> None:
            async def work() -> bool:
                mutation = await scene.mutation(kind)
                asked = [f"b{at}: {one}" for at, one in enumerate(before)]
                inner = " ".join(f"s{at}: {one}" for at, one in enumerate(below))
                selected = f"effectiveAt token {{ {inner} }} secret"
                asked.append(f"it: {mutation} {{ ... on {SUCCESS[kind]} {{ {selected} }} }}")
                asked += [f"a{at}: {one}" for at, one in enumerate(after)]
                earlier = await number_of_tokens(store)
                with a_database_that_goes_away_after(store, away):
                    answer = await scene.world.ask(
                        spacekey_schema(), f"mutation {{ {' '.join(asked)} }}", principal=scene.principal
                    )
                if await number_of_tokens(store) == earlier:
                    return False
                assert answer["data"], answer
                assert answer["data"]["it"], answer
                verifier = LookupVerifier(
                    lookup_on(store), scene.world.system.products, scene.world.clock, _no_first_use
                )
                try:
                    verdict = await verifier.verify(Secret(answer["data"]["it"]["secret"]))
                finally:
                    await verifier.aclose()
                assert isinstance(verdict, Authenticated)
                return True

            nonlocal committed
            committed += runner.run(work())

        try:
            check()
        finally:
            runner.run(store.aclose())
        assert committed, "no operation was carried out"


GIVEN = {"many": 1, "days": 7}
REFUSED_NUMBERS: tuple[tuple[str, dict[str, int]], ...] = (
    ("usage(days: 1000) { day }", GIVEN),
    ("usage(days: 0) { day }", GIVEN),
    ("usage(days: -1) { day }", GIVEN),
    ("unusedScopes(days: 367)", GIVEN),
    ("workspace { tokens(first: 5000) { nodes { id } } }", GIVEN),
    ("workspace { tokens(first: -1) { nodes { id } } }", GIVEN),
    ("workspace { members(last: 101) { nodes { id } } }", GIVEN),
    ("workspace { spaces(first: 1, last: 1) { nodes { id } } }", GIVEN),
    ("workspace { spaces(first: 2) { nodes { tokens(last: 101) { nodes { usage(days: 7) { day } } } } } }", GIVEN),
    ("workspace { auditLog(first: $many) { nodes { id } } }", {"many": 5_000, "days": 7}),
    ("usage(days: $days) { day }", {"many": 1}),  # the variable's default is out of range
    ("... on Token { rotatedFrom { ...deep } }", GIVEN),
)


async def test_numbers_out_of_range_are_refused_before_anything_runs(store: Store) -> None:
    """Wherever they stand, literally, in a variable or as its default, and by the code that a query would have."""
    scene = Scene(store)
    await scene.set_up()
    mutation = await scene.mutation("create")
    for selected, variables in REFUSED_NUMBERS:
        document = (
            f"mutation($many: Int, $days: Int! = 400) {{ first: {mutation} {{ __typename }} "
            f"it: {mutation} {{ ... on CreateTokenSuccess {{ secret token {{ {selected} ...small }} }} }} }} "
            "fragment small on Token { u: usage(days: $days) { day } "
            "w: workspace { spaces(first: $many) { nodes { id } } } }"
            + (" fragment deep on Token { usage(days: 367) { day } }" if "deep" in selected else "")
        )
        earlier = await number_of_tokens(store)
        answer = await scene.world.ask(spacekey_schema(), document, principal=scene.principal, variables=variables)
        assert await number_of_tokens(store) == earlier, selected
        assert answer["data"] is None
        [error] = answer["errors"]
        assert error["extensions"]["code"] == "INVALID_INPUT"
        assert error["extensions"]["errors"][0]["path"][0] in {"first", "last", "days"}
        assert error["locations"]


async def _no_first_use(token_id: str) -> None:
    raise AssertionError(f"{token_id}: nothing here is retired by a first use")
