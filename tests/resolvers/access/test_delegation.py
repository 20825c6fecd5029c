"""Whatever makes something stronger or longer-lived is held against what the acting caller holds now."""

from __future__ import annotations

import ast
import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session
from sqlmodel import select

from spacekey import resolvers
from spacekey.domain.product import Plan
from spacekey.domain.refusal import Conflict, Forbidden, InvalidInput, PlanLimit, ScopeNotAllowed, UserError
from spacekey.domain.unset import UNSET
from spacekey.models.engine.session_reader import Transaction
from spacekey.models.engine.store import Store
from spacekey.models.queries import tokens as token_queries
from spacekey.models.tables.token import Token
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access import delegation as strengthening
from spacekey.resolvers.access.caller import Caller, MemberCaller, Operator, TokenCaller
from spacekey.resolvers.members.invitations import accept_invitation
from spacekey.resolvers.members.members import Invited, add_member, change_member_role
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import disable_token, enable_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.roles import delete_role, set_role
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.world import FACTS, OPERATOR, World, example_products
from support.world import make_world as plain_world

EXAMPLES = int(os.environ.get("SPACEKEY_POWER_EXAMPLES", "5"))
PHASES = tuple(Phase) if os.environ.get("SPACEKEY_POWER_SHRINK") else (Phase.explicit, Phase.reuse, Phase.generate)
"""Shrinking takes minutes; ``SPACEKEY_POWER_SHRINK=1`` asks for it."""

STEPS = int(os.environ.get("SPACEKEY_POWER_STEPS", "25"))


def make_world(store: Store) -> World:
    """A world in which the tokens of spooled hold roles, too."""
    world = plain_world(store)
    spooled = replace(world.system.products["spooled"], token_roles=("member", "admin", "owner"))
    world.system = replace(world.system, products={**world.system.products, "spooled": spooled})
    return world


async def token_id_of(world: World, workspace_id: str, *grants: str, **given: Any) -> str:
    """A token that the operator made."""
    issued = await create_token(world.system, OPERATOR, NewToken(workspace_id, "t", grants, **given))
    return issued.view.token.id


async def token_caller(world: World, workspace_id: str, *grants: str, **given: Any) -> TokenCaller:
    return TokenCaller(await token_id_of(world, workspace_id, *grants, **given), "t", workspace_id, FACTS)


async def test_a_leaked_token_is_enabled_only_by_those_who_hold_what_it_holds(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("teamspace")
    owner, administrator = await world.member(workspace, "owner"), await world.member(workspace, "administrator")
    leaked = await token_id_of(world, workspace.id, "owner")
    await disable_token(world.system, owner, leaked)
    with pytest.raises(ScopeNotAllowed, match="enable a token that holds"):
        await enable_token(world.system, administrator, leaked)
    assert (await enable_token(world.system, owner, leaked)).view.status == "active"
    assert (await enable_token(world.system, administrator, leaked)).view.status == "active"  # nothing to enable


async def test_a_test_token_enables_no_live_one(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    everything = tuple(sorted(world.system.products["spooled"].known_scopes))
    caller = await token_caller(world, workspace.id, *everything, environment="test")
    live, test = [await token_id_of(world, workspace.id, "jobs:read", environment=one) for one in ("live", "test")]
    for token_id in (live, test):
        await disable_token(world.system, caller, token_id)
    with pytest.raises(InvalidInput, match="environment"):
        await enable_token(world.system, caller, live)
    assert (await enable_token(world.system, caller, test)).view.status == "active"


async def test_what_the_policy_no_longer_allows_is_not_enabled(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    forever, writing = [await token_id_of(world, workspace.id, one) for one in ("jobs:read", "jobs:write")]
    for token_id in (forever, writing):
        await disable_token(world.system, OPERATOR, token_id)
    changes = WorkspaceChanges(scopes_allowed=("jobs:read",), lifetime_seconds_max=3_600)
    await update_workspace(world.system, OPERATOR, workspace.id, changes)
    with pytest.raises(InvalidInput, match="expires_at: The workspace's policy requires an expiry date within 1 hour"):
        await enable_token(world.system, OPERATOR, forever)
    with pytest.raises(InvalidInput, match="grants: The workspace's policy does not allow: jobs:write"):
        await enable_token(world.system, OPERATOR, writing)
    soon = TokenChanges(expires_at=world.clock() + timedelta(minutes=30))
    await update_token(world.system, OPERATOR, forever, soon)
    assert (await enable_token(world.system, OPERATOR, forever)).view.status == "active"


async def test_other_grants_need_an_expiry_that_the_policy_allows(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    token_id = await token_id_of(world, workspace.id, "jobs:read")
    await update_workspace(world.system, OPERATOR, workspace.id, WorkspaceChanges(expiry_required=True))
    with pytest.raises(InvalidInput, match="expires_at"):
        await update_token(world.system, OPERATOR, token_id, TokenChanges(grants=("jobs:read", "jobs:write")))
    await update_token(world.system, OPERATOR, token_id, TokenChanges(name="renamed"))


async def a_token_of_a_removed_role(world: World, workspace: Workspace, **given: Any) -> str:
    """As an earlier version, or a change of the product, may have left one: its role is gone and it holds the name."""
    product = world.system.products[workspace.product]
    await set_role(world.system, OPERATOR, workspace.id, name="superuser", grants=sorted(product.known_scopes))
    token_id = await token_id_of(world, workspace.id, "superuser", **given)
    async with world.system.store.changing() as session:
        row = await session.get(Workspace, workspace.id)
        assert row is not None
        row.roles = {}
        session.add(row)
    return token_id


@pytest.mark.parametrize("way", ["rotate", "enable", "prolong"])
async def test_a_token_whose_role_is_gone_is_given_out_by_no_one_but_the_operator(store: Store, way: str) -> None:
    """The role may come back: whoever got the token meanwhile would then hold what they never held."""
    world = make_world(store)
    workspace = await world.workspace("spooled")
    administrator, owner = await world.member(workspace, "admin"), await world.member(workspace, "owner")
    end = world.clock() + timedelta(hours=1)
    token_id = await a_token_of_a_removed_role(world, workspace, expires_at=end)
    if way == "enable":
        await disable_token(world.system, OPERATOR, token_id)

    async def tried(caller: Caller) -> object:
        if way == "rotate":
            return await rotate_token(world.system, caller, token_id)
        if way == "enable":
            return await enable_token(world.system, caller, token_id)
        return await update_token(world.system, caller, token_id, TokenChanges(expires_at=end + timedelta(hours=1)))

    for caller in (administrator, owner):
        with pytest.raises(ScopeNotAllowed, match="no longer exist here: superuser") as refused:
            await tried(caller)
        assert refused.value.scopes == ("superuser",)
    await tried(OPERATOR)


async def test_a_role_with_a_scope_that_is_gone_is_given_to_no_one(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    await set_role(world.system, OPERATOR, workspace.id, name="helper", grants=["jobs:read", "dlq:write"])
    owner = await world.member(workspace, "owner")
    with_scope = world.system
    world.system = without_scope(world, "dlq:write")
    with pytest.raises(ScopeNotAllowed, match="no longer exist here: dlq:write"):
        await create_token(world.system, owner, NewToken(workspace.id, "t", ("helper",)))
    with pytest.raises(ScopeNotAllowed, match="no longer exist here: dlq:write"):
        await add_member(world.system, owner, workspace.id, email="x@example.com", role="helper")
    world.system = with_scope
    await create_token(world.system, owner, NewToken(workspace.id, "t", ("helper",)))


def without_scope(world: World, scope: str) -> Any:
    """The system whose product has lost a scope."""
    product = world.system.products["spooled"]
    roles = {
        name: replace(role, grants=tuple(one for one in role.grants if one != scope))
        for name, role in product.roles.items()
    }
    scopes = {name: title for name, title in product.scopes.items() if name != scope}
    return replace(world.system, products={"spooled": replace(product, scopes=scopes, roles=roles)})


async def test_a_role_is_removed_when_nothing_holds_it_any_more(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    owner, person = await world.member(workspace, "owner"), await world.member(workspace, "member")
    await set_role(world.system, owner, workspace.id, name="helper", grants=["jobs:read"])
    await set_role(world.system, owner, workspace.id, name="helper_two", grants=["jobs:read"])
    tokens = [await token_id_of(world, workspace.id, *grants) for grants in (("helper",), ("jobs:write", "helper"))]
    await token_id_of(world, workspace.id, "helper_two")
    await disable_token(world.system, owner, tokens[0])
    await change_member_role(world.system, owner, workspace.id, person.id, role="helper")
    await add_member(world.system, owner, workspace.id, email="new@example.com", role="helper")

    async def removed() -> object:
        return await delete_role(world.system, owner, workspace.id, name="helper")

    with pytest.raises(Conflict, match="held by 1 member and 2 tokens and 1 invitation"):
        await removed()
    await change_member_role(world.system, owner, workspace.id, person.id, role="member")
    world.clock.forward(days=8)  # the invitation is over
    with pytest.raises(Conflict, match="held by 2 tokens;"):
        await removed()
    await revoke_token(world.system, owner, tokens[0])
    successor = await rotate_token(world.system, owner, tokens[1], grace_seconds=0)
    with pytest.raises(Conflict, match="held by 1 token;"):
        await removed()
    await update_token(world.system, owner, successor.view.token.id, TokenChanges(grants=("helper_two",)))
    await removed()


@pytest.mark.parametrize("what", ["member", "promotion", "role", "policy", "plan"])
async def test_a_test_token_gives_nothing_that_reaches_live(store: Store, what: str) -> None:
    """A member makes live tokens, and a role or the policy changes those that there are."""
    world = make_world(store)
    spooled = world.system.products["spooled"]
    small = Plan("small", "Small", None, frozenset({"jobs:read"}), None, True)
    plans = {**spooled.plans, "small": small}
    world.system = replace(world.system, products={"spooled": replace(spooled, plans=plans)})
    workspace = await world.workspace("spooled", plan="small" if what == "plan" else None)
    person = await world.member(workspace, "member")
    await set_role(world.system, OPERATOR, workspace.id, name="helper", grants=["jobs:read"])
    held = sorted(spooled.known_scopes) if what != "plan" else ["workspace:write", "jobs:read"]
    callers = {one: await token_caller(world, workspace.id, *held, environment=one) for one in ("test", "live")}
    changes = WorkspaceChanges(plan="free")
    if what == "policy":
        closed = WorkspaceChanges(scopes_allowed=("workspace:write", "jobs:read"))
        await update_workspace(world.system, OPERATOR, workspace.id, closed)
        changes = WorkspaceChanges(scopes_allowed=None)

    async def tried(caller: Caller) -> object:
        if what == "member":
            return await add_member(world.system, caller, workspace.id, email="x@example.com", role="helper")
        if what == "promotion":
            return await change_member_role(world.system, caller, workspace.id, person.id, role="helper")
        if what == "role":
            grants = ["jobs:read", "jobs:write"]
            return await set_role(world.system, caller, workspace.id, name="helper", grants=grants)
        return await update_workspace(world.system, caller, workspace.id, changes)

    with pytest.raises(Forbidden, match="A test token cannot change members, roles or policies") as refused:
        await tried(callers["test"])
    assert refused.value.missing == ()
    if what in ("policy", "plan"):  # a token is cut by both, so it holds nothing that they would bring back
        with pytest.raises(ScopeNotAllowed):
            await tried(callers["live"])
    else:
        await tried(callers["live"])


async def test_a_test_token_may_narrow_a_role(store: Store) -> None:
    world = make_world(store)
    workspace = await world.workspace("spooled")
    await set_role(world.system, OPERATOR, workspace.id, name="helper", grants=["jobs:read", "jobs:write"])
    caller = await token_caller(world, workspace.id, "workspace:write", "jobs:read", "jobs:write", environment="test")
    await set_role(world.system, caller, workspace.id, name="helper", grants=["jobs:read"])


async def test_a_product_with_one_environment_has_no_other_to_reach(store: Store) -> None:
    world = make_world(store)
    spooled = world.system.products["spooled"]
    world.system = replace(world.system, products={"spooled": replace(spooled, environments=("test",))})
    workspace = await world.workspace("spooled")
    caller = await token_caller(world, workspace.id, "workspace:write", "jobs:read")
    await set_role(world.system, caller, workspace.id, name="helper", grants=["jobs:read"])


async def test_a_plan_is_chosen_only_by_those_who_hold_what_it_brings_back(store: Store) -> None:
    world = make_world(store)
    spooled = world.system.products["spooled"]
    plans = {
        "small": Plan("small", "Small", None, frozenset({"jobs:read"}), None, True),
        "none": Plan("none", "None", 0, None, None, True),
        "full": Plan("full", "Full", None, None, None, True),
    }
    world.system = replace(world.system, products={"spooled": replace(spooled, plans=plans, default_plan="full")})
    workspace = await world.workspace("spooled")
    await set_role(world.system, OPERATOR, workspace.id, name="clerk", grants=["workspace:write", "jobs:read"])
    clerk, owner = await world.member(workspace, "clerk"), await world.member(workspace, "owner")
    for plan in ("small", "none"):
        await update_workspace(world.system, clerk, workspace.id, WorkspaceChanges(plan=plan))
    await update_workspace(world.system, clerk, workspace.id, WorkspaceChanges(plan="small"))
    with pytest.raises(ScopeNotAllowed):
        await update_workspace(world.system, clerk, workspace.id, WorkspaceChanges(plan="full"))
    await update_workspace(world.system, owner, workspace.id, WorkspaceChanges(plan="full"))


async def test_what_a_plan_leaves_out_is_refused_as_such_when_enabling(store: Store) -> None:
    world = make_world(store)
    spooled = world.system.products["spooled"]
    plans = {"small": Plan("small", "Small", None, frozenset({"jobs:read"}), None, True), **spooled.plans}
    world.system = replace(world.system, products={"spooled": replace(spooled, plans=plans)})
    workspace = await world.workspace("spooled")
    owner = await world.member(workspace, "owner")
    token_id = await token_id_of(world, workspace.id, "jobs:write")
    await disable_token(world.system, owner, token_id)
    await update_workspace(world.system, OPERATOR, workspace.id, WorkspaceChanges(plan="small"))
    with pytest.raises(PlanLimit, match="does not include: jobs:write"):
        await enable_token(world.system, owner, token_id)


# Every function of the resolvers that writes what a row allows, and why it need not ask, if it does not.
ASKS = "asks check_strengthening, itself or where it is called"
WRITERS = {
    "tokens.create.token_row": ASKS,
    "tokens.rotate._rotate": ASKS,
    "tokens.update._apply": ASKS,
    "tokens.revoke.enable_token": ASKS,
    "members.members._add": ASKS,
    "members.members.change_member_role": ASKS,
    "workspaces.roles._configure": ASKS,
    "workspaces.workspaces._apply_plan": ASKS,
    "workspaces.workspaces._apply_scopes_allowed": ASKS,
    "accounts.renaming.lost_names": "counts, and writes nothing",
    "accounts.renaming._members_and_invitations": "the operator's alone",
    "accounts.renaming._tokens": "the operator's alone",
    "accounts.renaming._workspace": "the operator's alone",
    "workspaces.workspaces._apply_operator": "the operator's alone",
    "workspaces.workspaces._own": "an empty workspace; its first owner is its maker, or the operator's choice",
    "tokens.revoke._disable": "takes away",
    "tokens.revoke.revoke_found": "takes away",
    "tokens.revoke._delete": "takes away",
    "workspaces.spaces.delete_space": "takes away",
    "workspaces.delete.delete_workspace": "takes away",
    "services.revoke_service": "takes away",
    **dict.fromkeys(
        (
            "restore.accounts._service",
            "restore.workspace._allow_only",
            "restore.workspace._delete",
            "restore.workspace._end",
            "restore.workspace._expire",
            "restore.workspace._members",
            "restore.workspace._roles",
            "restore.workspace._spaces",
            "restore.workspace._workspace",
        ),
        "repeats what was taken away, and takes away",
    ),
    "members.invitations.invite": "its callers ask",
    "members.outside._join": "what the operator's settings make of an issuer's claim",
    "members.invitations._join": "gives what the inviter was allowed to give",
    "members.outside._follow_claims": "the operator's word about a claim",
}
ROWS = {"Token", "Member", "Invitation"}
FIELDS = {
    "grants", "expires_at", "disabled_at", "environment", "kind", "space_id", "retires_at", "rotated_to_id",
    "revoked_at", "deleted_at", "role", "roles", "scopes_allowed", "plan", "suspended_at",
}  # fmt: skip


def writers() -> dict[str, str]:
    """``module.function`` → its module's source, of every function that writes such a field or makes such a row."""
    found = {}
    folder = Path(resolvers.__path__[0])
    for file in folder.rglob("*.py"):
        source = file.read_text()
        module = ".".join(file.relative_to(folder).with_suffix("").parts)
        for function in ast.walk(ast.parse(source)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_writes, ast.walk(function))):
                found[f"{module}.{function.name}"] = source
    return found


def _writes(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ROWS
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    return any(isinstance(one, ast.Attribute) and one.attr in FIELDS for one in targets)


def test_every_writer_of_what_a_row_allows_asks_or_has_a_reason_not_to() -> None:
    found = writers()
    assert sorted(found) == sorted(WRITERS), "say in WRITERS whether it asks check_strengthening, or why it need not"
    silent = [name for name, why in WRITERS.items() if why == ASKS and "check_strengthening(" not in found[name]]
    assert silent == []


@contextmanager
def every_gain_is_asked_for(asked: list[str]) -> Iterator[None]:
    """Within, a flush that gives something, to a token, a member or by the workspace, fails unless it was asked for."""

    def before_flush(session: Session, _context: object, _instances: object) -> None:
        gains = [what for row in [*session.new, *session.dirty] for what in _gains(row)]
        assert not gains or asked, f"no one asked check_strengthening about {gains}"

    kept = token_queries.insert_token

    async def insert(transaction: Transaction, token: Token) -> None:
        assert asked, "no one asked check_strengthening about a new Token"
        await kept(transaction, token)

    event.listen(Session, "before_flush", before_flush)
    token_queries.insert_token = insert
    try:
        yield
    finally:
        token_queries.insert_token = kept
        event.remove(Session, "before_flush", before_flush)


def _gains(row: object) -> list[str]:
    """What a row gives that it did not give before."""
    if not isinstance(row, Token | Member | Workspace):
        return []
    state = inspect(row)
    if state.transient or state.pending:
        return [f"a new {type(row).__name__}"] if isinstance(row, Token | Member) else []
    found = []
    for name in ("grants", "expires_at", "disabled_at", "environment", "role", "roles", "scopes_allowed", "plan"):
        if name in state.attrs and state.attrs[name].history.has_changes():
            history = state.attrs[name].history
            old, new = (history.deleted or [None])[0], (history.added or [None])[0]
            if old != new and not _takes_away(name, old, new):
                found.append(f"{type(row).__name__}.{name}: {old} -> {new}")
    return found


def _takes_away(name: str, old: Any, new: Any) -> bool:
    match name:
        case "grants":
            return set(new) <= set(old)
        case "expires_at":
            return new is not None and (old is None or new <= old)
        case "disabled_at":
            return new is not None
        case "scopes_allowed":
            return new is not None and (old is None or set(new) <= set(old))
        case "roles":
            # A role that the workspace has not configured is the product's; one that it removed grants nothing.
            before = {role: set(grants) for role, grants in _roles_of_product().items()}
            before |= {role: set() if entry is None else set(entry["grants"]) for role, entry in old.items()}
            given = {role: set(entry["grants"]) for role, entry in new.items() if entry is not None}
            return all(role in before and grants <= before[role] for role, grants in given.items())
    return False


@cache
def _roles_of_product() -> dict[str, frozenset[str]]:
    return {name: frozenset(role.grants) for name, role in example_products()["spooled"].roles.items()}


def test_a_role_of_the_product_that_is_narrowed_is_no_gain_and_one_that_was_removed_is() -> None:
    narrowed = {"member": {"grants": ["dlq:read"]}}
    assert _takes_away("roles", {}, narrowed)
    assert not _takes_away("roles", {"member": None}, narrowed)
    assert not _takes_away("roles", {}, {"member": {"grants": ["dlq:write"]}})
    assert not _takes_away("roles", {}, {"helper": {"grants": ["dlq:read"]}})


async def join(world: World, caller: Caller, workspace_id: str, role: str) -> MemberCaller:
    """Someone new who accepts the caller's invitation."""
    email = f"m{secrets.token_hex(6)}@example.com"
    added = await add_member(world.system, caller, workspace_id, email=email, role=role)
    assert isinstance(added, Invited)
    code = added.invitation.reveal()
    joined = await accept_invitation(world.system, FACTS, None, code=code, password="nine yellow umbrellas out")
    return MemberCaller(joined.user.id, email, FACTS)


PRODUCT = ("jobs:read", "jobs:write", "dlq:read", "dlq:write")
MEANS = (
    "tokens:create", "tokens:update", "tokens:disable", "tokens:revoke", "workspace:write", "members:write"
)  # fmt: skip
ROLES = ("helper", "climber", "member", "admin", "owner")
BOTH = ("live", "test")

Powers = frozenset[tuple[str, str]]

picks = st.integers(0, 10_000)
scopes = st.lists(st.sampled_from((*PRODUCT, *MEANS)), min_size=1, max_size=3, unique=True)
grants = st.one_of(scopes, st.sampled_from([["helper"], ["climber"], ["helper", "jobs:read"]]))


class Climbing(RuleBasedStateMachine):
    """Any caller tries any change. After each that succeeds: nothing gained more than the caller held just before.

    What a thing holds is a set of (scope, environment). A token holds the scopes of its grants as far as the policy
    lets it, in its environment, while it is neither disabled nor over. Names that mean nothing now count as what they
    meant last: a removed role as what it granted, a scope that left the product as itself. A member holds the scopes
    of the role in both environments; to be given that takes the scopes in live, which stands for all environments. The
    plan is left out of account: it cuts everyone alike, and who may change it is tested by itself.

    Gaining is: holding more than before, or the same for longer.
    """

    runner: ClassVar[asyncio.Runner]
    store: ClassVar[Store]
    asked: ClassVar[list[str]]

    def __init__(self) -> None:
        super().__init__()
        self.world = make_world(self.store)
        self.complete = self.world.system
        self.meant: dict[str, frozenset[str]] = {}
        self.run(self.begin())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def begin(self) -> None:
        self.asked.append("set up")
        world = self.world
        workspace = await world.workspace("spooled", plan="enterprise")
        self.workspace = workspace.id
        space = await world.space(workspace)
        self.space = space.id
        await set_role(world.system, OPERATOR, workspace.id, name="climber", grants=[*MEANS, "jobs:read"])
        await set_role(world.system, OPERATOR, workspace.id, name="helper", grants=["jobs:read", "dlq:write"])
        self.callers: list[Caller] = [await world.member(workspace, role) for role in ("owner", "admin", "climber")]
        everything = sorted(world.system.products["spooled"].known_scopes)
        self.tokens: list[str] = []
        for given, environment, space_id in (
            (everything, "live", None),
            (everything, "test", None),
            (["climber", "jobs:write"], "test", None),
            ([*MEANS, "dlq:write"], "live", space.id),
        ):
            made = await token_id_of(
                world, workspace.id, *given, environment=environment, space_id=space_id,
                expires_at=world.clock() + timedelta(days=2),
            )  # fmt: skip
            self.known(made)
        self.people = [one.id for one in self.callers if isinstance(one, MemberCaller)]
        await self.note_roles()

    def known(self, token_id: str) -> None:
        self.tokens.append(token_id)
        self.callers.append(TokenCaller(token_id, "t", self.workspace, FACTS))

    async def roles(self) -> dict[str, frozenset[str]]:
        async with self.store.reading() as session:
            row = await session.get(Workspace, self.workspace)
            assert row is not None
            product = self.world.system.products["spooled"]
            found = {name: frozenset(one.grants) for name, one in product.roles.items()}
            for name, entry in row.roles.items():
                if entry is None:
                    found.pop(name, None)
                else:
                    found[name] = frozenset(entry["grants"])
            self.allowed = None if row.scopes_allowed is None else frozenset(row.scopes_allowed)
            return found

    async def note_roles(self) -> None:
        self.meant |= await self.roles()

    def expanded(self, names: Any, roles: dict[str, frozenset[str]]) -> frozenset[str]:
        return frozenset().union(*(roles.get(name, frozenset({name})) for name in names))

    async def state(self) -> tuple[dict[str, tuple[Powers, datetime | None]], dict[str, Powers]]:
        """What every token and member holds, by id, with how long; and what each has in hand, to give on."""
        await self.note_roles()
        now = self.world.clock()
        known = self.world.system.products["spooled"].known_scopes
        present = await self.roles()
        has: dict[str, tuple[Powers, datetime | None]] = {}
        hand: dict[str, Powers] = {}
        async with self.store.reading() as session:
            for token in (await session.exec(select(Token))).all():
                if token.workspace_id != self.workspace:
                    continue
                ends = [one for one in (token.expires_at, token.retires_at) if one is not None]
                over = any(end <= now for end in ends) or token.revoked_at or token.deleted_at or token.disabled_at
                may = self.expanded(token.grants, self.meant)
                may = frozenset() if over else may if self.allowed is None else may & self.allowed
                now_in_hand = self.expanded([one for one in token.grants if one in present or one in known], present)
                has[token.id] = frozenset((one, token.environment) for one in may), min(ends, default=None)
                hand[token.id] = frozenset((one, token.environment) for one in now_in_hand & may & known)
            for member in (await session.exec(select(Member))).all():
                if member.workspace_id != self.workspace:
                    continue
                may = self.expanded([member.role], self.meant)
                has[member.user_id] = frozenset((one, "live") for one in may), None
                present_scopes = self.expanded([member.role] if member.role in present else [], present) & known
                hand[member.user_id] = frozenset((one, where) for one in present_scopes for where in BOTH)
        return has, hand

    def tried(self, caller: Caller, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What it gave; None when it was refused, and then nothing has changed."""
        before, hand = self.run(self.state())
        self.asked.clear()
        given, refused = None, False
        try:
            given = self.run(work())
        except UserError:
            refused = True
        after, _ = self.run(self.state())
        if refused:
            assert after == before
            return None
        held = None if isinstance(caller, Operator) else hand.get(caller.id, frozenset())
        if held is not None:
            for name, (powers, until) in after.items():
                had, had_until = before.get(name, (frozenset(), None))
                longer = had and had_until is not None and (until is None or until > had_until)
                gained = powers if longer else powers - had
                assert gained <= held, (caller, name, sorted(gained - held))
        return given

    def a_caller(self, pick: int) -> Caller:
        return self.callers[pick % len(self.callers)]

    def a_token(self, pick: int) -> str:
        return self.tokens[pick % len(self.tokens)]

    @rule(who=picks, grants=grants, environment=st.sampled_from([None, "live", "test"]), in_space=st.booleans(),
          hours=st.sampled_from([None, 1, 100]))  # fmt: skip
    def create(self, who: int, grants: list[str], environment: str | None, in_space: bool, hours: int | None) -> None:
        caller = self.a_caller(who)
        new = NewToken(
            self.workspace, "t", tuple(grants), environment=environment, space_id=self.space if in_space else None,
            expires_at=None if hours is None else self.world.clock() + timedelta(hours=hours),
        )  # fmt: skip
        issued = self.tried(caller, lambda: create_token(self.world.system, caller, new))
        if issued is not None:
            self.known(issued.view.token.id)

    @rule(who=picks, which=picks, grants=st.none() | grants, hours=st.sampled_from(["left out", None, 1, 200]))
    def update(self, who: int, which: int, grants: list[str] | None, hours: Any) -> None:
        caller, token_id = self.a_caller(who), self.a_token(which)
        expires = (
            UNSET if hours == "left out" else None if hours is None else self.world.clock() + timedelta(hours=hours)
        )
        changes = TokenChanges(grants=UNSET if grants is None else tuple(grants), expires_at=expires)
        self.tried(caller, lambda: update_token(self.world.system, caller, token_id, changes))

    @rule(who=picks, which=picks, grace=st.sampled_from([0, 3_600]))
    def rotate(self, who: int, which: int, grace: int) -> None:
        caller, token_id = self.a_caller(who), self.a_token(which)
        issued = self.tried(caller, lambda: rotate_token(self.world.system, caller, token_id, grace_seconds=grace))
        if issued is not None:
            self.known(issued.view.token.id)

    @rule(who=picks, which=picks, on=st.booleans())
    def switch(self, who: int, which: int, on: bool) -> None:
        caller, token_id = self.a_caller(who), self.a_token(which)
        work = enable_token if on else disable_token
        self.tried(caller, lambda: work(self.world.system, caller, token_id))

    @rule(who=picks, name=st.sampled_from(["helper", "climber", "member"]), grants=st.none() | scopes)
    def configure_role(self, who: int, name: str, grants: list[str] | None) -> None:
        caller = self.a_caller(who)
        system, here = self.world.system, self.workspace
        if grants is None:
            self.tried(caller, lambda: delete_role(system, caller, here, name=name))
        else:
            self.tried(caller, lambda: set_role(system, caller, here, name=name, grants=grants))

    @rule(name=st.sampled_from(["helper", "climber"]), back=st.booleans())
    def a_role_goes_and_comes_without_being_asked(self, name: str, back: bool) -> None:
        """As by a change of the product: its holders keep the name."""
        self.asked.append("the product's change")
        self.run(self.put_role(name, sorted(self.meant[name]) if back else None))

    async def put_role(self, name: str, grants: list[str] | None) -> None:
        async with self.store.changing() as session:
            row = await session.get(Workspace, self.workspace)
            assert row is not None
            kept = {key: value for key, value in row.roles.items() if key != name}
            entry = {} if grants is None else {name: {"title": name, "description": "", "grants": grants}}
            row.roles = {**kept, **entry}
            session.add(row)

    @rule(scope=st.sampled_from([None, *PRODUCT]))
    def the_product_changes(self, scope: str | None) -> None:
        self.world.system = self.complete
        if scope is not None:
            self.world.system = without_scope(self.world, scope)

    @rule(who=picks, role=st.sampled_from(ROLES))
    def invite(self, who: int, role: str) -> None:
        caller = self.a_caller(who)
        joined = self.tried(caller, lambda: join(self.world, caller, self.workspace, role))
        if joined is not None:
            self.callers.append(joined)
            self.people.append(joined.id)

    @rule(who=picks, whom=picks, role=st.sampled_from(ROLES))
    def promote(self, who: int, whom: int, role: str) -> None:
        caller, person = self.a_caller(who), self.people[whom % len(self.people)]
        self.tried(caller, lambda: change_member_role(self.world.system, caller, self.workspace, person, role=role))

    @rule(who=picks, allowed=st.none() | st.lists(st.sampled_from((*PRODUCT, *MEANS)), min_size=4, unique=True))
    def configure_policy(self, who: int, allowed: list[str] | None) -> None:
        caller = self.a_caller(who)
        changes = WorkspaceChanges(scopes_allowed=None if allowed is None else tuple(allowed))
        self.tried(caller, lambda: update_workspace(self.world.system, caller, self.workspace, changes))

    @rule(suspended=st.booleans())
    def suspend(self, suspended: bool) -> None:
        changes = WorkspaceChanges(suspended=suspended)
        self.tried(OPERATOR, lambda: update_workspace(self.world.system, OPERATOR, self.workspace, changes))

    @rule(hours=st.sampled_from([1, 30]))
    def time_passes(self, hours: int) -> None:
        before, _ = self.run(self.state())
        self.world.clock.forward(hours=hours)
        after, _ = self.run(self.state())
        assert all(powers <= before[name][0] for name, (powers, _) in after.items())


def test_no_sequence_of_changes_gives_more_than_the_acting_callers_held(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    environment = strengthening._check_environment

    def noting(*given: Any) -> None:
        asked.append("asked")
        environment(*given)

    monkeypatch.setattr(strengthening, "_check_environment", noting)
    with asyncio.Runner() as runner, every_gain_is_asked_for(asked):
        store = Store(database_url)
        try:
            run_state_machine_as_test(
                type("ClimbingHere", (Climbing,), {"runner": runner, "store": store, "asked": asked}),
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    phases=PHASES,
                ),
            )
        finally:
            runner.run(store.aclose())
