"""The four systems with people in every role and tokens in every state: what the dashboard's tests look at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from argon2 import PasswordHasher
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.authentication import Reason, Rejected
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import usage as usage_queries
from spacekey.models.tables.token import Token
from spacekey.resolvers.access.caller import RequestFacts
from spacekey.resolvers.accounts.users import create_user
from spacekey.resolvers.audit.refusals import RefusalLog
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.passwords.hashing import Passwords
from spacekey.resolvers.system import System
from spacekey.resolvers.tokens.create import Issued, NewToken, create_token
from spacekey.resolvers.tokens.revoke import disable_token, revoke_token
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.workspaces.spaces import create_space
from spacekey.resolvers.workspaces.workspaces import create_workspace
from spacekey.server.build import build_system, prepare_store
from spacekey.server.settings import Settings
from support.rows import a_space
from support.world import OPERATOR, PASSWORD

SYSTEMS = {
    "emit": ("Emit jobs", "team", ("jobs:worker", "jobs:create")),
    "spooled": ("Acme queues", "pro", ("jobs:read", "jobs:write", "queues:read")),
    "teamspace": ("Northwind docs", "business", ("member",)),
    "guard": ("Guarded", "paid", ("full_access",)),
}
TOKENS_MANY, SPACES_MANY = 120, 105
AGE_DAYS = 8
SENDER = RequestFacts(ip="198.51.100.7", user_agent="curl/8.5.0")
NAMES = ("Production server", "Nightly import", "Old worker", "Migration script", "Unused experiment")


@dataclass
class DashboardWorld:
    """Ids by name. Every password is ``PASSWORD``; addresses are ``role@product.example``."""

    workspaces: dict[str, str] = field(default_factory=dict)
    spaces: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


async def make_dashboard_world(settings: Settings) -> DashboardWorld:
    """Fill the database; the server reads it afterwards, or meanwhile."""
    # Quick hashes; the server makes proper ones of them when their owners sign in.
    quick = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    system = replace(build_system(settings), passwords=quick)
    try:
        await prepare_store(system.store)
        made = DashboardWorld()
        await create_user(system, OPERATOR, email="owner@example.com", name="Owner", password=PASSWORD)
        for product in SYSTEMS:
            await _fill(system, made, product)
        free = await create_workspace(system, OPERATOR, name="Unpaid", slug="unpaid", product="guard", plan="free")
        made.workspaces["unpaid"] = free.id
        await _many(system, made)
        await _from_before_roles(system, made)
        await _ended(system, made)
        await _still_sent(system, made)
        await add_member(system, OPERATOR, made.workspaces["emit"], email="invited@example.com", role="developer")
        await add_member(system, OPERATOR, free.id, email="owner@example.com", role="owner")
        return made
    finally:
        await system.store.aclose()


async def _fill(system: System, made: DashboardWorld, product: str) -> None:
    name, plan, grants = SYSTEMS[product]
    workspace = await create_workspace(system, OPERATOR, name=name, slug=product, product=product, plan=plan)
    made.workspaces[product] = workspace.id
    await add_member(system, OPERATOR, workspace.id, email="owner@example.com", role="owner")
    for role in system.product(product).roles:
        email = f"{role}@{product}.example"
        await create_user(system, OPERATOR, email=email, name=role.title(), password=PASSWORD)
        await add_member(system, OPERATOR, workspace.id, email=email, role=role)
    space = await create_space(system, OPERATOR, workspace.id, name="Production", slug="production")
    made.spaces[product] = space.id
    of_space = space.id if product == "emit" else None
    issued = [await _token(system, workspace.id, one, grants, of_space) for one in NAMES]
    for one, token_name in zip(issued, NAMES, strict=True):
        made.tokens[f"{product} {token_name}"] = one.view.token.id
    await _live(system, issued)


async def _many(system: System, made: DashboardWorld) -> None:
    """A workspace with more of everything than a page holds; its tokens wait for a first use for some time."""
    earlier = replace(system, clock=lambda: system.clock() - timedelta(days=AGE_DAYS))
    workspace = await create_workspace(system, OPERATOR, name="Crowded", slug="crowded", product="spooled", plan="pro")
    made.workspaces["crowded"] = workspace.id
    await add_member(system, OPERATOR, workspace.id, email="owner@example.com", role="owner")
    for number in range(TOKENS_MANY):
        asked = NewToken(workspace.id, f"Batch {number:03}", ("jobs:read",))
        await create_token(earlier, OPERATOR, asked)
    async with system.store.changing() as session:
        session.add_all(a_space(workspace, name=f"Shop {n:03}", slug=f"shop-{n:03}") for n in range(SPACES_MANY))


async def _from_before_roles(system: System, made: DashboardWorld) -> None:
    """A token that was issued before its product said that tokens hold one role."""
    issued = await _token(system, made.workspaces["teamspace"], "Two roles", ("viewer",), None)
    made.tokens["teamspace Two roles"] = issued.view.token.id
    await _set(system, issued.view.token.id, grants=["viewer", "member"])


async def _ended(system: System, made: DashboardWorld) -> None:
    """One token that was disabled and then expired, and one whose grace after a rotation is over."""
    now = system.clock()
    for name in ("Ended twice", "Replaced key"):
        issued = await _token(system, made.workspaces["spooled"], name, ("jobs:read",), None)
        made.tokens[f"spooled {name}"] = issued.view.token.id
    disabled, replaced = (made.tokens[f"spooled {name}"] for name in ("Ended twice", "Replaced key"))
    await disable_token(system, OPERATOR, disabled)
    await rotate_token(system, OPERATOR, replaced)
    await _set(system, disabled, expires_at=now - timedelta(hours=3))
    await _set(system, replaced, retires_at=now - timedelta(hours=3))


async def _set(system: System, token_id: str, **facts: object) -> None:
    """Give a token what no resolver would give it."""
    async with system.store.changing() as session:
        token = await token_queries.token_by_id(session, token_id)
        if token is None:
            raise LookupError(token_id)
        for name, value in facts.items():
            setattr(token, name, value)
        session.add(token)


async def _still_sent(system: System, made: DashboardWorld) -> None:
    """Uses that were refused: of a live token in a test app, and of a revoked one."""
    log = RefusalLog(system)
    log.note(Rejected(Reason.ENVIRONMENT, made.tokens["spooled Production server"]), SENDER)
    log.note(Rejected(Reason.REVOKED, made.tokens["guard Unused experiment"]), SENDER)
    await log.flush()


async def _token(system: System, workspace_id: str, name: str, grants: tuple[str, ...], space_id: str | None) -> Issued:
    expires_at = system.clock() + timedelta(days=90) if name != "Unused experiment" else None
    about = "Reads and writes the queue" if name == "Production server" else ""
    asked = NewToken(workspace_id, name, grants, space_id=space_id, description=about, expires_at=expires_at)
    return await create_token(system, OPERATOR, asked)


async def _live(system: System, issued: list[Issued]) -> None:
    """One active and used, one being rotated, one disabled, one expired, one revoked."""
    production, nightly, old, migration, unused = (one.view.token.id for one in issued)
    now = system.clock()
    await rotate_token(system, OPERATOR, nightly)
    await disable_token(system, OPERATOR, old)
    await revoke_token(system, OPERATOR, unused, reason="Never needed")
    async with system.store.changing() as session:
        token = await token_queries.token_by_id(session, migration)
        if token is None:
            raise LookupError(migration)
        token.expires_at = now - timedelta(days=2)
        session.add(token)
        await token_queries.touch_last_used(session, {production: (now - timedelta(minutes=2), "10.0.0.7")})
        await _use(session, token, production)


async def _use(session: AsyncSession, token: Token, production: str) -> None:
    hours = []
    for days in range(28):
        at = token.created_at - timedelta(days=days)
        counts = {
            "allowed": 400 + 37 * (days * 7 % 11),
            "denied": 25 * (days % 5 == 2),
            "limited": 60 * (days % 6 == 4),
        }
        hours.append(usage_queries.HourCounts(token_id=production, hour=at, **counts))
        if days < 5:
            hours.append(usage_queries.HourCounts(token_id=token.id, hour=at, allowed=90, denied=3))
    await usage_queries.add_usage(session, hours)
    scopes = sorted(set(token.grants) & {"jobs:create", "jobs:read"})
    await usage_queries.touch_scopes(session, {(production, scope): token.created_at for scope in scopes})
