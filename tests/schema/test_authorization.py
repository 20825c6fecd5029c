"""Every operation × every role of every product × own, foreign and unknown targets × every kind of caller."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
import pytest_asyncio

from spacekey.domain.authentication import Authenticated
from spacekey.domain.ids import INVITATION, KEY, SPACE, USER, WORKSPACE, new_id
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.product import Product, expand
from spacekey.domain.refusal import Forbidden
from spacekey.domain.secret import Secret
from spacekey.middleware.graphql import ScopedSchema
from spacekey.middleware.graphql.reports import scope_report
from spacekey.models.engine.store import Store
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.caller import MemberCaller
from spacekey.resolvers.accounts.sessions import session_outcome, sign_in
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, enable_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.resolvers.workspaces.lists import invitation_lists
from spacekey.resolvers.workspaces.roles import set_role
from support.authorization.open_fields import CALLER, OPEN_FIELDS
from support.authorization.table import (
    NESTED_FIELDS,
    OF_SPACE,
    OPERATIONS,
    ROOT_FIELDS,
    On,
    Operation,
    Who,
)
from support.databases import lookup_on
from support.schema import spacekey_schema
from support.world import FACTS, OPERATOR, PASSWORD, StoppedClock, World, example_products, make_world

PRODUCTS = sorted(example_products())
GIVEN = {"emit": "jobs:read", "spooled": "jobs:read", "teamspace": "documents:read", "guard": "sessions:read"}
LOWEST = {"emit": "viewer", "spooled": "member", "teamspace": "viewer", "guard": "member"}
READER = "reader"
"""A role of the given scope alone, for tokens that hold nothing but a role."""
ALLOWED = "allowed"
LACKING = "INSUFFICIENT_SCOPE"
NOBODY = "UNAUTHENTICATED"
OTHER_CREDENTIAL = "FORBIDDEN"
NOT_THERE = "not there"
WRONG_KIND = "wrong kind"

TOKENS_MADE = {OF_SPACE: Kind.SPACE, "Mutation.createToken": Kind.WORKSPACE}
DECIDED_BY_WHAT_IS_FOUND = {"Query.node", "AuditEvent.target"}
"""Fields of any type, which the caller's authority over the object opens and no rule of the schema."""
OF_ALL_WORKSPACES = {"Query.workspaces", "Query.tokens"}
"""Lists that leave out the workspaces in which the caller lacks the scope."""
ANSWERED_NOT_FOUND = {
    *("Mutation.acceptInvitation", "Mutation.endSession", "Mutation.resetPassword", "Mutation.proveEmail"),
}
"""What is asked for with ids of nothing: being told so is all that is allowed to anybody."""
WITH_PASSWORDS = {
    *("Mutation.signIn", "Mutation.acceptInvitation", "Mutation.changePassword"),
    *("Mutation.resetPassword", "Mutation.requestPasswordReset"),
}
WITHOUT_MAIL = {"Mutation.requestPasswordReset", "Mutation.requestEmailProof"}
"""What a server that sends no mail says so to, to everyone alike."""

_numbers = itertools.count()


@cache
def the_schema() -> ScopedSchema:
    return spacekey_schema()


@dataclass(frozen=True)
class Asker:
    """A caller: who it is, what it holds in the workspace at hand, and what over all its workspaces."""

    name: str
    principal: Principal | None
    here: frozenset[str] = frozenset()
    anywhere: frozenset[str] = frozenset()
    space_id: str | None = None


@dataclass
class Stage:
    """Two workspaces of one product, and ways to make targets."""

    world: World
    product: Product
    own: Workspace
    foreign: Workspace
    verifier: LookupVerifier
    spaces: dict[str, str]
    targets: dict[tuple[On, str, str | None], dict[str, str]] = field(default_factory=dict)

    @property
    def given(self) -> str:
        return GIVEN[self.product.name]

    @property
    def granted(self) -> str:
        """What a token is given for it: the scope, or a role of it alone."""
        return READER if self.product.one_role else self.given

    async def token(self, workspace: Workspace, space_id: str | None) -> str:
        """A fresh token of the kind this product has."""
        asked = NewToken(workspace.id, "target", (self.granted,), space_id=space_id)
        if Kind.WORKSPACE in self.product.token_kinds and space_id is None:
            return (await create_token(self.world.system, OPERATOR, asked)).view.token.id
        asked = replace(asked, space_id=space_id or self.spaces[workspace.id])
        return (await create_token(self.world.system, OPERATOR, asked)).view.token.id

    async def invitation(self, workspace: Workspace) -> str:
        """A fresh invitation for somebody new."""
        system, email = self.world.system, f"invited{next(_numbers)}@example.com"
        await add_member(system, OPERATOR, workspace.id, email=email, role=LOWEST[self.product.name])
        page = (await invitation_lists(system, OPERATOR, [workspace.id], PageRequest(100)))[0]
        assert isinstance(page, Page)
        return next(one.id for one in page.rows if one.email == email)

    async def variables(self, on: On, workspace: Workspace, asker: Asker) -> dict[str, str]:
        """The ids of a fresh target in the workspace, within the asker's space where it has one."""
        own_space = asker.space_id if workspace is self.own else None
        if on is On.TOKEN:
            return {"id": await self.token(workspace, own_space)}
        if on is On.SPACE:
            return {"id": own_space or (await self.world.space(workspace, f"s{next(_numbers)}")).id}
        if on is On.MEMBER:
            added = await self.world.member(workspace, LOWEST[self.product.name])
            return {"id": workspace.id, "user": added.id}
        if on is On.INVITATION:
            return {"id": await self.invitation(workspace)}
        return {"id": workspace.id}

    async def target(self, on: On, workspace: Workspace, asker: Asker) -> dict[str, str]:
        """The ids of a target: the same one until a change of anything was allowed."""
        key = (on, workspace.id, asker.space_id)
        if key not in self.targets:
            self.targets[key] = await self.variables(on, workspace, asker)
        return self.targets[key]

    def unknown(self, on: On) -> dict[str, str]:
        """Well-formed ids of nothing."""
        clock, entropy = self.world.clock, self.world.system.entropy
        kind = {On.TOKEN: KEY, On.SPACE: SPACE, On.INVITATION: INVITATION}.get(on, WORKSPACE)
        found = {"id": new_id(kind, clock(), entropy)}
        return {**found, "user": new_id(USER, clock(), entropy)} if on is On.MEMBER else found

    async def ask(self, operation: Operation, asker: Asker, variables: dict[str, str]) -> dict[str, Any]:
        document = operation.document
        fillings = {"given": self.given, "granted": self.granted, "role": LOWEST[self.product.name]}
        for name, value in {**fillings, "slug": f"x{next(_numbers)}"}.items():
            document = document.replace(f"%({name})s", value)
        return await self.world.ask(the_schema(), document, principal=asker.principal, variables=variables)

    async def verified(self, secret: Secret) -> Principal:
        verdict = await self.verifier.verify(secret)
        assert isinstance(verdict, Authenticated)
        return verdict.principal

    async def holding(self, scopes: frozenset[str], space_id: str | None) -> Asker:
        """A token of the own workspace (or space) with exactly these scopes, by a role where it takes one."""
        grants = tuple(sorted(scopes))
        if self.product.one_role:
            await set_role(self.world.system, OPERATOR, self.own.id, name="asker", grants=grants)
            grants = ("asker",)
        asked = NewToken(self.own.id, "asker", grants, space_id=space_id)
        issued = await create_token(self.world.system, OPERATOR, asked)
        principal = await self.verified(issued.secret)
        return Asker("token", principal, scopes, scopes, space_id)


@pytest_asyncio.fixture
async def verifying(store: Store) -> AsyncIterator[LookupVerifier]:
    """The database verifier, with the real lookup."""
    verifier = LookupVerifier(lookup_on(store), example_products(), StoppedClock(), _first_use)
    yield verifier
    await verifier.aclose()


async def stage(store: Store, verifying: LookupVerifier, name: str) -> Stage:
    world = make_world(store)
    await world.user("a@b.c")
    product = world.system.products[name]
    plans = sorted(
        product.plans.values(), key=lambda plan: -1 if plan.tokens_max is None else 1 / (1 + plan.tokens_max)
    )
    own = await world.workspace(name, plan=plans[0].name)
    foreign = await world.workspace(name, plan=plans[0].name)
    spaces = {one.id: (await world.space(one)).id for one in (own, foreign)}
    for one in (own, foreign):
        await set_role(world.system, OPERATOR, one.id, name="spare", grants=[GIVEN[name]])
        if product.one_role:
            await set_role(world.system, OPERATOR, one.id, name=READER, grants=[GIVEN[name]])
    return Stage(world, product, own, foreign, verifying, spaces)


async def _first_use(token_id: str) -> None:
    raise AssertionError(f"{token_id}: no rotation with retire on first use here")


async def member(here: Stage, role: str, elsewhere: str | None = None) -> Asker:
    """A member of the own workspace, signed in; perhaps with another role in a workspace of their own."""
    system = here.world.system
    caller = await here.world.member(here.own, role)
    scopes = expand(here.product, [role], here.product.roles)
    everywhere = scopes
    if elsewhere is not None:
        third = await here.world.workspace(here.product.name)
        await add_member(system, OPERATOR, third.id, email=caller.name, role=elsewhere)
        everywhere |= expand(here.product, [elsewhere], here.product.roles)
    opened = await sign_in(system, FACTS, email=caller.name, password=PASSWORD)
    verdict = await session_outcome(system, opened.secret)
    assert isinstance(verdict, Authenticated)
    return Asker(role, verdict.principal, scopes, everywhere)


def outcome(coordinate: str, answer: dict[str, Any]) -> str:
    """What an answer says, in one word."""
    codes = {error["extensions"]["code"] for error in answer.get("errors", ()) if "extensions" in error}
    if "errors" in answer:
        if codes == {"NOT_FOUND"}:
            return NOT_THERE
        assert len(codes) == 1, answer
        return str(codes.pop())
    value = next(iter(answer["data"].values()))
    if value is None:
        return ALLOWED if coordinate == "Query.me" else NOT_THERE
    kind = value.get("__typename", "") if isinstance(value, dict) else ""
    if kind == "NotFound" and coordinate not in ANSWERED_NOT_FOUND:
        return NOT_THERE
    if kind == "InvalidInput" and coordinate in TOKENS_MADE:
        return WRONG_KIND
    if kind == "InvalidInput" and coordinate in WITHOUT_MAIL:
        return ALLOWED
    known = {"SignInFailed", "NotFound"} if coordinate in WITH_PASSWORDS | ANSWERED_NOT_FOUND else set()
    assert not kind or kind.endswith("Success") or kind in known, (coordinate, answer)
    return ALLOWED


def expected(here: Stage, coordinate: str, operation: Operation, asker: Asker, *, own: bool) -> str:
    """What the table says about one cell."""
    if operation.who is Who.ANYBODY:
        return ALLOWED
    if asker.principal is None:
        return NOBODY
    if operation.who is Who.MEMBER:
        return ALLOWED if asker.principal.kind is Kind.MEMBER else OTHER_CREDENTIAL
    if operation.who is Who.SERVICE:
        return OTHER_CREDENTIAL
    if coordinate != "Query.node" and not operation.needs <= asker.anywhere:
        return LACKING
    if not own or (asker.space_id is not None and not operation.spacious):
        return NOT_THERE
    if coordinate in OF_ALL_WORKSPACES:
        return ALLOWED
    if not operation.needs <= asker.here:
        return LACKING
    if operation.owners and asker.name != "owner":
        return LACKING if asker.principal.kind is Kind.MEMBER else OTHER_CREDENTIAL
    return ALLOWED if TOKENS_MADE.get(coordinate) in {None, *here.product.token_kinds} else WRONG_KIND


async def check_cells(here: Stage, asker: Asker, operations: dict[str, Operation] = OPERATIONS) -> None:
    """One caller's row: own, foreign and unknown targets of every operation."""
    wrong = []
    for coordinate, operation in operations.items():
        targets = [("own", await here.target(operation.on, here.own, asker))]
        if operation.on is not On.NOTHING:
            targets.append(("foreign", await here.target(operation.on, here.foreign, asker)))
            targets.append(("unknown", here.unknown(operation.on)))
        answers = {}
        for where, variables in targets:
            answer = await here.ask(operation, asker, variables)
            answers[where] = json.dumps(answer)
            wanted = expected(here, coordinate, operation, asker, own=where == "own")
            found = outcome(coordinate, answer)
            if found == ALLOWED and coordinate.startswith("Mutation."):
                here.targets.clear()
            if found != wanted:
                wrong.append(f"{coordinate} by {asker.name} on {where}: {found} instead of {wanted}: {answer}")
        if answers.get("foreign") != answers.get("unknown"):
            wrong.append(f"{coordinate} by {asker.name}: foreign and unknown differ: {answers}")
    assert not wrong, "\n".join(wrong)


def reachable(lacking: frozenset[str]) -> set[str]:
    """The types one gets to with every scope but these; without ``CALLER``, with no credentials."""
    held = frozenset[str]().union(*(product.known_scopes for product in example_products().values())) - lacking
    found: set[str] = set()
    ahead = {"Query", "Mutation"}
    while ahead:
        owner = ahead.pop()
        found.add(owner)
        for name, entry in the_schema().rulebook.fields[owner].items():
            shut = entry.rule is not None and (CALLER in lacking or not entry.rule.allows(held))
            if not shut and f"{owner}.{name}" not in DECIDED_BY_WHAT_IS_FOUND:
                ahead |= the_schema().rulebook.possible[entry.returns] - found
    return found


def roles_of_products() -> list[tuple[str, str]]:
    return [(name, role) for name, product in sorted(example_products().items()) for role in product.roles]


@pytest.mark.sampled(4)
def test_every_root_field_is_in_the_table() -> None:
    schema = the_schema()
    fields = {
        f"{owner}.{name}" for owner in ("Query", "Mutation") for name in schema.rulebook.fields[owner] if name[0] != "_"
    }
    assert fields == set(ROOT_FIELDS)


@pytest.mark.sampled(4)
def test_every_other_field_is_in_the_table_as_protected_or_as_open() -> None:
    """Field by field, on every object and interface; and nothing is in the table that the schema lacks."""
    report = {
        coordinate: rule
        for coordinate, rule in scope_report(the_schema().rulebook).items()
        if coordinate.partition(".")[0] not in ("Query", "Mutation")
    }
    listed = {f"{owner}.{name}" for owner, open_ones in OPEN_FIELDS.items() for name in open_ones.fields}
    assert {coordinate for coordinate, rule in report.items() if rule == "public"} == listed, "write down who sees what"
    assert {coordinate for coordinate, rule in report.items() if rule != "public"} == {*NESTED_FIELDS, "Me.token"}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", sorted(set(OPEN_FIELDS) - {"Actor", "Node", "UserError"}))
def test_an_open_type_is_reached_by_those_the_table_names_and_by_nobody_else(name: str) -> None:
    """Whoever lacks all of the named scopes does not get there, and whoever lacks all but one of them may."""
    behind = OPEN_FIELDS[name].behind
    assert (name in reachable(behind or frozenset({CALLER}))) == (not behind)
    for scope in behind:
        assert name in reachable(behind - {scope}), f"{scope} is not on the way to {name}"


@pytest.mark.sampled(4)
def test_the_fields_own_rules_are_what_the_table_says() -> None:
    """``node`` is open to every caller: what it finds decides. Below the root a field adds to its parent's scopes."""
    report = scope_report(the_schema().rulebook)
    for coordinate, operation in ROOT_FIELDS.items():
        by_resolver = coordinate == "Query.node" or operation.who is Who.SERVICE
        needs = frozenset() if by_resolver else operation.needs
        wanted = "public" if operation.who is Who.ANYBODY else " and ".join(sorted(needs)) or "any valid token"
        assert report[coordinate] == wanted, coordinate
    for coordinate, operation in NESTED_FIELDS.items():
        assert set(report[coordinate].split(" and ")) <= operation.needs, coordinate


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("name", "role"), roles_of_products())
async def test_each_role_may_do_what_the_table_says_and_nothing_else(
    store: Store, verifying: LookupVerifier, name: str, role: str
) -> None:
    here = await stage(store, verifying, name)
    await check_cells(here, await member(here, role))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", PRODUCTS)
async def test_power_in_one_workspace_is_none_in_another(store: Store, verifying: LookupVerifier, name: str) -> None:
    """The field rules let an owner of anything through: here the resolvers alone refuse."""
    here = await stage(store, verifying, name)
    await check_cells(here, await member(here, LOWEST[name], elsewhere="owner"))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", PRODUCTS)
async def test_nobody_may_do_what_takes_a_caller(store: Store, verifying: LookupVerifier, name: str) -> None:
    here = await stage(store, verifying, name)
    await check_cells(here, Asker("nobody", None))


def token_kinds() -> list[tuple[str, Kind]]:
    return [
        (name, kind) for name, product in sorted(example_products().items()) for kind in sorted(product.token_kinds)
    ]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("has_scopes", [True, False], ids=["with", "without"])
@pytest.mark.parametrize(("name", "kind"), token_kinds())
async def test_a_token_may_do_what_its_scopes_say_in_its_own_place(
    store: Store, verifying: LookupVerifier, name: str, kind: Kind, has_scopes: bool
) -> None:
    """With exactly the scopes of the operation, and with all scopes but those."""
    here = await stage(store, verifying, name)
    handed_on = expand(here.product, [LOWEST[name]], here.product.roles)
    for coordinate, operation in OPERATIONS.items():
        if operation.who is Who.SERVICE or (not has_scopes and not operation.needs):
            continue
        # A space of its own for each, since some of them delete it.
        space = (await here.world.space(here.own, f"t{next(_numbers)}")).id if kind is Kind.SPACE else None
        scopes = (
            operation.needs
            | {here.given}
            | (handed_on if operation.on is On.INVITATION or "Member" in coordinate else frozenset())
        )
        if not has_scopes:
            scopes = here.product.known_scopes - operation.needs
        await check_cells(here, await here.holding(scopes, space), {coordinate: operation})


@pytest.mark.sampled(4)
async def test_a_space_token_is_a_stranger_to_the_next_space(store: Store, verifying: LookupVerifier) -> None:
    here = await stage(store, verifying, "spooled")
    mine = await here.holding(here.product.known_scopes, here.spaces[here.own.id])
    other = (await here.world.space(here.own, "other")).id
    of_workspace = await here.token(here.own, None)
    in_other = await here.token(here.own, other)
    for coordinate, operation in OPERATIONS.items():
        ids = {On.SPACE: [other], On.TOKEN: [in_other, of_workspace]}.get(operation.on, [])
        for one in ids:
            answer = await here.ask(operation, mine, {"id": one})
            assert outcome(coordinate, answer) == NOT_THERE, (coordinate, answer)
            unknown = await here.ask(operation, mine, here.unknown(operation.on))
            assert json.dumps(answer) == json.dumps(unknown), coordinate


# Who may manage a teamspace's access tokens, by the member's role, written out by hand; and who rotates.


ACTIONS = ("view", "create", "edit", "disable", "enable", "delete", "rotate")

#                  view  create edit  disable enable delete rotate
MATRIX = {
    "owner":         (True, True,  True,  True,  True,  True,  True),
    "administrator": (True, True,  True,  True,  True,  True,  True),
    "manager":       (True, True,  True,  False, False, False, False),
    "member":        (True, False, False, False, False, False, False),
    "viewer":        (True, False, False, False, False, False, False),
}  # fmt: skip

CELLS = [(role, action, allowed) for role, row in MATRIX.items() for action, allowed in zip(ACTIONS, row, strict=True)]


async def do(world: World, caller: MemberCaller, action: str, workspace_id: str) -> None:
    """The action on a token that the operator made for it."""
    system = world.system
    token = (await create_token(system, OPERATOR, NewToken(workspace_id, "CI", ("viewer",)))).view.token.id
    match action:
        case "view":
            assert (await token_view(system, caller, token)).token.name == "CI"
        case "create":
            issued = await create_token(system, caller, NewToken(workspace_id, "New", ("viewer",)))
            assert issued.view.role == "viewer"
        case "edit":
            assert (await update_token(system, caller, token, TokenChanges(name="Edited"))).view.token.name == "Edited"
        case "disable":
            assert (await disable_token(system, caller, token)).view.status == "disabled"
        case "enable":
            await disable_token(system, OPERATOR, token)
            assert (await enable_token(system, caller, token)).view.status == "active"
        case "delete":
            assert (await delete_token(system, caller, token)).view.token.deleted_at == world.clock()
        case "rotate":
            issued = await rotate_token(system, caller, token, grace_seconds=0)
            assert issued.view.token.rotated_from_id == token
        case _:
            raise AssertionError(f"no such action: {action}")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("role", "action", "allowed"), CELLS)
async def test_members_manage_tokens_by_their_role(store: Store, role: str, action: str, allowed: bool) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    caller = await world.member(workspace, role)
    if allowed:
        await do(world, caller, action, workspace.id)
        return
    with pytest.raises(Forbidden):
        await do(world, caller, action, workspace.id)


@pytest.mark.sampled(2)
def test_every_role_of_the_product_is_a_row() -> None:
    assert set(MATRIX) == {"viewer", "member", "manager", "administrator", "owner"}
