"""The life of tokens against a plain model, in random order, on both databases, verified through the real lookup.

``SPACEKEY_LIFE_EXAMPLES`` and ``SPACEKEY_LIFE_STEPS`` make it run longer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from spacekey.domain.authentication import Authenticated, Rejected
from spacekey.domain.page import PageRequest, TokenOrder
from spacekey.domain.product import Plan
from spacekey.domain.refusal import UserError
from spacekey.domain.secret import Secret
from spacekey.models.engine.store import Store
from spacekey.models.queries import tokens as token_queries
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.members.members import change_member_role
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.list import TokenSearch, token_list
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.resolvers.workspaces.roles import delete_role, set_role
from spacekey.resolvers.workspaces.spaces import delete_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.databases import lookup_on
from support.token_model import PRODUCT, ModelPlan, ModelToken, ModelWorkspace
from support.volume import volume
from support.world import OPERATOR, World, make_world

EXAMPLES = int(os.environ.get("SPACEKEY_LIFE_EXAMPLES") or volume(short=4, long=12))
STEPS = int(os.environ.get("SPACEKEY_LIFE_STEPS", "30"))

PLANS = {
    "open": ModelPlan(),
    "tiny": ModelPlan(tokens_max=3),
    "reading": ModelPlan(scopes=frozenset({"jobs:read", "queues:read", "dlq:read"})),
    "none": ModelPlan(tokens_max=0),
}
GRANTS = (*sorted(PRODUCT), "tokens:read", "member", "helper")

T = TypeVar("T")
grants = st.lists(st.sampled_from(GRANTS), min_size=1, max_size=3, unique=True).map(tuple)
names = st.sampled_from(["boss", "ann"])
picks = st.integers(0, 1_000)


class TokenLife(RuleBasedStateMachine):
    """Every rule does the same to the system and to the model, and expects the same refusal."""

    runner: ClassVar[asyncio.Runner]
    store: ClassVar[Store]

    def __init__(self) -> None:
        super().__init__()
        self.world, self.verifier = self.made(self.store)
        self.secrets: dict[str, Secret] = {}
        self.run(self.begin())

    def made(self, store: Store) -> tuple[World, LookupVerifier]:
        world = make_world(store)
        spooled = world.system.products["spooled"]
        plans = {name: Plan(name, name, one.tokens_max, one.scopes, None, True) for name, one in PLANS.items()}
        product = replace(spooled, plans=plans, default_plan="open", token_roles=("member",))
        world.system = replace(world.system, products={"spooled": product})
        return world, LookupVerifier(lookup_on(store), world.system.products, world.clock, self.first_use)

    async def first_use(self, token_id: str) -> None:
        async with self.world.system.store.changing() as session:
            await token_queries.record_first_use(session, token_id, self.world.clock())

    async def begin(self) -> None:
        product = self.world.system.products["spooled"]
        found = await self.world.workspace("spooled")
        self.workspace = found.id
        self.people: dict[str, MemberCaller] = {
            "boss": await self.world.member(found, "owner"),
            "ann": await self.world.member(found, "admin"),
        }
        roles = {name: frozenset(role.grants) for name, role in product.roles.items()}
        self.model = ModelWorkspace(PLANS, roles, "open", members={"boss": "owner", "ann": "admin"})
        for number in range(2):
            space = await self.world.space(found, f"space-{number}")
            self.model.spaces[space.id] = True

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        reports = self.run(verify_chains(self.world.system, [self.workspace]))
        self.run(self.verifier.aclose())
        assert [one.broken_at for one in reports] == [None]

    def did(self, work: Coroutine[Any, Any, T], expected: str | None) -> T | None:
        """What it gave, when nothing was to refuse it; else None after the expected refusal."""
        given, refusal = None, None
        try:
            given = self.run(work)
        except UserError as error:
            refusal = error
        assert (None if refusal is None else type(refusal).__name__) == expected, repr(refusal)
        return given

    @property
    def now(self) -> Any:
        return self.world.clock()

    def a_token(self, pick: int) -> ModelToken:
        tokens = list(self.model.tokens.values())
        return tokens[pick % len(tokens)]

    def known(self, issued: Issued) -> ModelToken:
        row = issued.view.token
        self.secrets[row.id] = issued.secret
        return ModelToken(row.id, tuple(row.grants), self.now, row.expires_at, row.space_id)

    @initialize(grants=grants)
    def starts_with_a_token(self, grants: tuple[str, ...]) -> None:
        self.create("boss", grants, None, None)

    @rule(name=names, grants=grants, space=st.sampled_from([None, None, 0, 1]), hours=st.sampled_from([None, 1, 100]))
    def create(self, name: str, grants: tuple[str, ...], space: int | None, hours: int | None) -> None:
        space_id = None if space is None else list(self.model.spaces)[space]
        expires = None if hours is None else self.now + timedelta(hours=hours)
        asked = NewToken(self.workspace, "a token", grants, space_id=space_id, expires_at=expires)
        expected = self.model.creating(name, grants, space_id, self.now)
        issued = self.did(create_token(self.world.system, self.people[name], asked), expected)
        if issued is not None:
            token = self.known(issued)
            assert (token.grants, token.expires) == (grants, expires)
            self.model.tokens[token.id] = token

    @precondition(lambda self: self.model.tokens)
    @rule(name=names, pick=picks, grants=st.none() | grants, hours=st.sampled_from(["left out", None, 2, 200]))
    def edit(self, name: str, pick: int, grants: tuple[str, ...] | None, hours: Any) -> None:
        token, model = self.a_token(pick), self.model
        expected = model.changing(name, token, "tokens:update")
        wanted = token.grants if grants is None else grants
        if expected is None and token.revoked:
            expected = "Conflict"
        if expected is None and grants is not None:
            roles = model.roles if token.space is None else {}
            if any(one not in roles and one in ("member", "helper") for one in grants):
                expected = "InvalidInput"
        expires = self.now + timedelta(hours=hours) if isinstance(hours, int) else None
        is_later = token.expires is not None and (expires is None or expires > token.expires)
        if expected is None and (grants is not None or (hours != "left out" and is_later)):
            expected = model.handing_out(name, wanted)
        changes = TokenChanges(name="edited")
        if grants is not None:
            changes = replace(changes, grants=grants)
        if hours != "left out":
            changes = replace(changes, expires_at=expires)
        if self.did(update_token(self.world.system, self.people[name], token.id, changes), expected) is not None:
            token.grants = wanted
            if hours != "left out":
                token.expires = expires

    @precondition(lambda self: self.model.tokens)
    @rule(name=names, pick=picks, on=st.booleans())
    def switch(self, name: str, pick: int, on: bool) -> None:
        token = self.a_token(pick)
        expected = self.model.changing(name, token, "tokens:disable") or ("Conflict" if token.revoked else None)
        if expected is None and on and token.disabled:
            expected = self.model.handing_out(name, token.grants)
        work = enable_token if on else disable_token
        if self.did(work(self.world.system, self.people[name], token.id), expected) is not None:
            token.disabled = not on

    @precondition(lambda self: self.model.tokens)
    @rule(name=names, pick=picks)
    def revoke(self, name: str, pick: int) -> None:
        token = self.a_token(pick)
        expected = self.model.changing(name, token, "tokens:revoke")
        if self.did(revoke_token(self.world.system, self.people[name], token.id), expected) is not None:
            token.revoked = True

    @precondition(lambda self: self.model.tokens)
    @rule(name=names, pick=picks)
    def delete(self, name: str, pick: int) -> None:
        token = self.a_token(pick)
        expected = self.model.changing(name, token, "tokens:delete")
        if self.did(delete_token(self.world.system, self.people[name], token.id), expected) is not None:
            token.deleted = True

    @precondition(lambda self: self.model.tokens)
    @rule(name=names, pick=picks, grace=st.sampled_from([0, 60, 86_400]), at_first_use=st.booleans())
    def rotate(self, name: str, pick: int, grace: int, at_first_use: bool) -> None:
        token = self.a_token(pick)
        expected = self.model.rotating(name, token, self.now)
        work = rotate_token(
            self.world.system,
            self.people[name],
            token.id,
            grace_seconds=grace,
            retire_on_first_use=at_first_use,
        )
        issued = self.did(work, expected)
        if issued is not None:
            given, new = self.known(issued), self.known(issued)
            self.model.rotate(token, new, self.now, grace, at_first_use=at_first_use)
            assert (given.grants, given.expires, given.space) == (new.grants, new.expires, new.space)

    @rule(span=st.sampled_from([timedelta(seconds=1), timedelta(seconds=60), timedelta(hours=1), timedelta(days=1)]))
    def time_passes(self, span: timedelta) -> None:
        self.world.clock.now += span

    @rule(plan=st.sampled_from(sorted(PLANS)))
    def change_plan(self, plan: str) -> None:
        changes = WorkspaceChanges(plan=plan)
        self.did(update_workspace(self.world.system, self.people["boss"], self.workspace, changes), None)
        self.model.plan = plan

    @rule(allowed=st.none() | st.sets(st.sampled_from(sorted(PRODUCT)), max_size=4))
    def change_policy(self, allowed: set[str] | None) -> None:
        changes = WorkspaceChanges(scopes_allowed=None if allowed is None else tuple(sorted(allowed)))
        self.did(update_workspace(self.world.system, OPERATOR, self.workspace, changes), None)
        self.model.allowed = None if allowed is None else frozenset(allowed)

    @rule(role=st.sampled_from(["member", "helper"]), scopes=st.sets(st.sampled_from(sorted(PRODUCT)), min_size=1))
    def configure_role(self, role: str, scopes: Iterable[str]) -> None:
        work = set_role(self.world.system, self.people["boss"], self.workspace, name=role, grants=sorted(scopes))
        self.did(work, None)
        self.model.roles[role] = frozenset(scopes)

    @rule()
    def remove_role(self) -> None:
        work = delete_role(self.world.system, self.people["boss"], self.workspace, name="helper")
        expected = None if "helper" in self.model.roles else "NotFound"
        if expected is None and any(self.model.holds(one, "helper", self.now) for one in self.model.tokens.values()):
            expected = "Conflict"
        if self.did(work, expected) is not None:
            del self.model.roles["helper"]

    @rule(role=st.sampled_from(["owner", "admin", "member"]))
    def promote_or_demote(self, role: str) -> None:
        ann = self.people["ann"].id
        self.did(change_member_role(self.world.system, self.people["boss"], self.workspace, ann, role=role), None)
        self.model.members["ann"] = role

    @rule(number=st.integers(0, 1))
    def delete_a_space(self, number: int) -> None:
        space = list(self.model.spaces)[number]
        expected = None if self.model.spaces[space] else "NotFound"
        if self.did(delete_space(self.world.system, self.people["boss"], space), expected) is not None:
            self.model.delete_space(space)

    @rule(suspended=st.booleans())
    def suspend(self, suspended: bool) -> None:
        changes = WorkspaceChanges(suspended=suspended)
        self.did(update_workspace(self.world.system, OPERATOR, self.workspace, changes), None)
        self.model.suspended = suspended

    @precondition(lambda self: self.model.tokens)
    @rule(pick=picks)
    def use(self, pick: int) -> None:
        self.check(self.a_token(pick))

    @invariant()
    def every_token_is_judged_as_the_model_says(self) -> None:
        """But for those whose first use would change something: they wait for the rule above."""
        for token in self.model.tokens.values():
            if not token.retires_predecessor or token.used:
                self.check(token)

    @invariant()
    def the_list_says_what_the_model_says(self) -> None:
        page = self.run(
            token_list(
                self.world.system,
                OPERATOR,
                self.workspace,
                search=TokenSearch(),
                order=TokenOrder.CREATED_AT,
                descending=False,
                request=PageRequest(100),
            )
        )
        shown = {one.token.id: (one.status.value, one.scopes) for one in page.rows}
        assert shown == {
            one.id: (self.model.status(one, self.now), self.model.token_scopes(one))
            for one in self.model.tokens.values()
            if not one.deleted
        }

    def check(self, token: ModelToken) -> None:
        verdict = self.run(self.verifier.verify(self.secrets[token.id]))
        reason = self.model.refusal(token, self.now)
        if reason is not None:
            assert isinstance(verdict, Rejected), (verdict, reason)
            assert (verdict.reason.value, verdict.token_id) == (reason, token.id)
            return
        assert isinstance(verdict, Authenticated), (verdict, token)
        assert verdict.principal.scopes == self.model.token_scopes(token)
        self.model.use(token, self.now)


@pytest.mark.repeats
def test_tokens_live_as_the_model_says(database_url: str) -> None:
    with asyncio.Runner() as runner:
        store = Store(database_url)
        try:
            run_state_machine_as_test(
                type("TokenLifeHere", (TokenLife,), {"runner": runner, "store": store}),
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(store.aclose())
