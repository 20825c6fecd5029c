"""Creation, editing and suspension of workspaces."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.clock import written_exactly
from spacekey.domain.external import clean_external_id, external_id_taken
from spacekey.domain.ids import USER, WORKSPACE, id_prefix, new_id
from spacekey.domain.principal import Kind
from spacekey.domain.product import OWNER_ROLE, Plan, Product
from spacekey.domain.refusal import (
    Conflict,
    ConflictCode,
    CredentialNotAllowed,
    Fault,
    Faults,
    Forbidden,
    InputCode,
    InvalidInput,
    NotFound,
    PreconditionFailed,
)
from spacekey.domain.scope import CREATE_WORKSPACES, UPDATE_WORKSPACES
from spacekey.domain.unset import UNSET, Unset
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import AnyWorkspace
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.access.authority import SessionAuthority, authority_in, service_scopes
from spacekey.resolvers.access.caller import (
    Caller,
    HostCaller,
    MemberCaller,
    Operator,
    PortalCaller,
    ServiceCaller,
    TokenCaller,
    acts_as_operator,
)
from spacekey.resolvers.access.delegation import Power, check_strengthening, role_power
from spacekey.resolvers.access.entitlements import check_room_for_member
from spacekey.resolvers.addresses import clean_email
from spacekey.resolvers.audit.log import Facts, actor_of, record
from spacekey.resolvers.members.invitations import invite
from spacekey.resolvers.members.members import Invited
from spacekey.resolvers.staleness import effective_now, settle, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import LIFETIME_SECONDS_MAX, clean_name, clean_slug, unknown

T = TypeVar("T")

SLUG_REST = timedelta(days=90)
"""How long a slug that a workspace gave up is unavailable to other workspaces."""

RESERVED_SLUGS = frozenset(
    (
        "admin",
        "administrator",
        "all",
        "api",
        "assets",
        "audit",
        "auth",
        "product",
        "dashboard",
        "graphiql",
        "graphql",
        "healthz",
        "login",
        "logout",
        "me",
        "metrics",
        "new",
        "none",
        "null",
        "oauth",
        "openapi",
        "operator",
        "readyz",
        "root",
        "security",
        "self",
        "settings",
        "sign-in",
        "sign-out",
        "signin",
        "signout",
        "spacekey",
        "static",
        "support",
        "system",
        "undefined",
        "usage",
        "workspace",
        "workspaces",
        "www",
    )
)
"""Slugs that no workspace may have, because commands, addresses and people give them another meaning."""


@dataclass(frozen=True, slots=True)
class WorkspaceChanges:
    """Fields to change in a workspace; lifetimes are seconds.

    Only the operator sets ``per_minute``, ``burst`` and ``external_id``.
    """

    name: str | Unset = UNSET
    slug: str | Unset = UNSET
    plan: str | Unset = UNSET
    lifetime_seconds_max: int | Unset | None = UNSET
    lifetime_seconds_default: int | Unset | None = UNSET
    expiry_required: bool | Unset = UNSET
    scopes_allowed: tuple[str, ...] | Unset | None = UNSET
    per_minute: int | Unset | None = UNSET
    burst: int | Unset | None = UNSET
    suspended: bool | Unset = UNSET
    external_id: str | Unset | None = UNSET


@dataclass(frozen=True, slots=True)
class ChangedWorkspace:
    """A workspace after a change, and the time from which the change holds in every process."""

    workspace: Workspace
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class NewWorkspace:
    """A workspace created by the operator, and its first owner: an account, an invitation with its code, or neither."""

    workspace: Workspace
    owner: User | None = None
    invited: Invited | None = None


async def create_workspace(
    system: System,
    caller: Caller,
    *,
    name: str,
    slug: str,
    product: str,
    plan: str | None = None,
    take_resting_slug: bool = False,
    external_id: str | None = None,
) -> Workspace:
    """Create a workspace of one product; its creator becomes the owner. The operator's and a service's has no members.

    :param plan: chosen by the operator or a service; people get the product's default plan.
    :param external_id: the host application's id of its tenant; only the operator may give one.
    :param take_resting_slug: whether the operator allows a slug that another workspace gave up recently.
    :raises CredentialNotAllowed: if the caller is a token or a portal session.
    :raises Forbidden: if people or this service may not create workspaces, or this person owns the maximum number.
    :raises InvalidInput: if the product or plan is unknown or not the caller's to choose, or the name or slug is not
        acceptable.
    :raises Conflict: if the slug or the external id is taken.
    """
    if isinstance(caller, TokenCaller | PortalCaller):
        raise CredentialNotAllowed(_CREATORS)
    async with system.store.changing() as session:
        workspace = await _make(
            session,
            system,
            caller,
            name=name,
            slug=slug,
            product=product,
            plan=plan,
            take_resting_slug=take_resting_slug,
            external_id=external_id,
        )
        if isinstance(caller, MemberCaller):
            await _own(session, system, workspace, caller.id)
        await _record_creation(session, system, caller, workspace)
    return workspace


async def create_workspace_for(
    system: System,
    caller: Operator,
    *,
    name: str,
    slug: str,
    product: str,
    plan: str | None = None,
    owner: str,
    take_resting_slug: bool = False,
    external_id: str | None = None,
) -> NewWorkspace:
    """Create a workspace with a first owner.

    :param owner: an account's id, or an address: the account that has proven it becomes the owner; if there is none,
        the first owner is the person who presents the invitation's code.
    :param external_id: the host application's id of its tenant.
    :raises NotFound: if there is no account with this id.
    :raises InvalidInput, Conflict: as :func:`create_workspace`, and for a malformed address.
    """
    async with system.store.changing() as session:
        workspace = await _make(
            session,
            system,
            caller,
            name=name,
            slug=slug,
            product=product,
            plan=plan,
            take_resting_slug=take_resting_slug,
            external_id=external_id,
        )
        named, email = id_prefix(owner) == USER, ""
        if named:
            user = await user_queries.user_by_id(session, owner)
            if user is None:
                raise NotFound("account")
        else:
            email = clean_email("owner", owner)
            user = await user_queries.user_by_proven_email(session, email)
        if user is not None:
            await _own(session, system, workspace, user.id)
        await _record_creation(session, system, caller, workspace)
        if user is not None:
            return NewWorkspace(workspace, user)
        authority = await authority_in(session, system, caller, workspace.id)
        made, code = await invite(session, system, authority, email=email, role=OWNER_ROLE, name=None)
    return NewWorkspace(workspace, invited=Invited(made, code, effective_now(system)))


def creatable_products(system: System) -> list[str]:
    """Return the products of which people may create workspaces, in order; none if only the operator may."""
    creation = system.workspace_creation
    if not creation.by_members:
        return []
    return sorted(name for name in system.products if creation.products is None or name in creation.products)


@takes_access_away
async def update_workspace(
    system: System,
    caller: Caller,
    workspace_id: str,
    changes: WorkspaceChanges,
    *,
    wait: bool = True,
    precondition: Callable[[AnyWorkspace], bool] | None = None,
) -> ChangedWorkspace:
    """Change a workspace's name, slug, plan or policy.

    A plan that is not self-service, the workspace's own limit, its external id and suspension are reserved for the
    operator.

    :raises NotFound, Forbidden: if the caller may not see or edit the workspace.
    :raises InvalidInput, Conflict: for invalid values, or a slug or external id that is taken.
    :raises PreconditionFailed: if ``precondition`` does not hold.
    :raises ScopeNotAllowed: if the policy or plan would open up scopes that the caller does not hold.
    """
    async with system.store.changing() as session:
        authority = await authority_in(session, system, caller, workspace_id, lock=True)
        if authority.space_id is not None:
            raise NotFound("workspace")
        authority.require("workspace:write")
        workspace = authority.workspace
        check_unchanged("workspace", workspace, precondition)
        before = workspace_facts(workspace)
        faults = Faults()
        _apply_names(workspace, changes, faults)
        with faults:
            _apply_plan(authority, changes, system.clock())
        _apply_policy(authority, changes, system.clock(), faults)
        with faults:
            if changes.external_id is not UNSET:
                if isinstance(caller, ServiceCaller):
                    authority.require(UPDATE_WORKSPACES)
                workspace.external_id = _external_id(caller, changes.external_id)
        faults.raise_found()
        _apply_operator(system, authority, changes)
        after = workspace_facts(workspace)
        if after["slug"] != before["slug"]:
            await _check_slug_free(session, system, caller, workspace)
            await workspace_queries.release_slug(session, before["slug"], workspace.id, system.clock())
        if after["external_id"] != before["external_id"]:
            await _check_external_id_free(session, workspace)
        changed = [key for key in before if before[key] != after[key]]
        if changed:
            session.add(workspace)
            await record(
                session,
                system,
                actor_of(caller),
                chain=workspace.id,
                action="workspace.update",
                target_id=workspace.id,
                before={key: before[key] for key in changed},
                after={key: after[key] for key in changed},
            )
        # Giving the field is enough, changed or not: a retry after a lost answer must wait as the first try did.
        takes = any(one is not UNSET for one in (changes.plan, changes.scopes_allowed, changes.suspended))
        staleness = await staleness_seconds(session, system) if takes else 0.0
    return ChangedWorkspace(workspace, await settle(system, staleness, wait=wait))


def check_unchanged(what: str, row: T, precondition: Callable[[T], bool] | None) -> None:
    """Raise if the client's condition about an object does not hold.

    :raises PreconditionFailed: if it does not.
    """
    if precondition is not None and not precondition(row):
        raise PreconditionFailed(what)


async def missing_products(system: System) -> dict[str, int]:
    """Return the products that are not loaded in this process, with the number of workspaces that belong to them.

    Verifying one of their tokens here answers "cannot tell".
    """
    async with system.store.reading() as session:
        needed = await workspace_queries.products_in_use(session)
    return {name: workspaces for name, workspaces in needed.items() if name not in system.products}


def workspace_facts(workspace: Workspace) -> Facts:
    """Return what the audit log keeps of a workspace."""
    facts = workspace.model_dump(exclude={"id", "created_at", "roles", "suspended_at", "deleted_at"})
    suspended = workspace.suspended_at
    return {**facts, "suspended_at": None if suspended is None else written_exactly(suspended)}


Creator: TypeAlias = MemberCaller | Operator | HostCaller | ServiceCaller
_CREATORS = (
    "Creating a workspace takes a person who is signed in, or an operator credential: a service with the scope "
    f"{CREATE_WORKSPACES}."
)


async def check_creator(
    session: AsyncSession, system: System, caller: ServiceCaller, product: str, *also: str, lock: bool = False
) -> None:
    """Raise unless a service may create workspaces of the product.

    :param also: further scopes that it must have.
    :param lock: keep it from being revoked until the transaction ends.
    :raises CredentialNotAllowed: if it was revoked meanwhile.
    :raises Forbidden: if it lacks the scope.
    :raises InvalidInput: if the product is another one than the service's.
    """
    missing = {CREATE_WORKSPACES, *also} - await service_scopes(session, system, caller, lock=lock)
    if missing:
        raise Forbidden(missing)
    if product != caller.product:
        reason = f"This service creates workspaces of '{caller.product}' alone."
        raise InvalidInput("product", reason, InputCode.NOT_ALLOWED)


async def _make(
    session: AsyncSession,
    system: System,
    caller: Creator,
    *,
    name: str,
    slug: str,
    product: str,
    plan: str | None,
    take_resting_slug: bool,
    external_id: str | None,
) -> Workspace:
    if isinstance(caller, ServiceCaller):
        await check_creator(session, system, caller, product, lock=True)
    faults = Faults()
    with faults:
        cleaned = clean_name("name", name)
    with faults:
        slug = clean_slug("slug", slug)
    with faults:
        chosen = _chosen_plan(system, caller, product, plan)
    with faults:
        external_id = None if external_id is None else _external_id(caller, external_id)
    faults.raise_found()
    if isinstance(caller, MemberCaller):
        await _check_owned(session, system, caller)
    workspace = Workspace(
        id=new_id(WORKSPACE, system.clock(), system.entropy),
        name=cleaned,
        slug=slug,
        product=product,
        plan=chosen,
        created_at=system.clock(),
        external_id=external_id,
    )
    await _check_external_id_free(session, workspace)
    await _check_slug_free(session, system, caller, workspace, take_resting=take_resting_slug)
    session.add(workspace)
    await session.flush()
    return workspace


def _chosen_plan(system: System, caller: Creator, product: str, plan: str | None) -> str:
    """Return the name of the new workspace's plan.

    :raises Forbidden: if people may not create workspaces.
    :raises InvalidInput: if the product or plan is unknown.
    """
    known = system.products.get(product)
    if isinstance(caller, MemberCaller):
        open_to_members = creatable_products(system)
        if not open_to_members:
            raise Forbidden((), "Only the operator of this server can create workspaces.")
        if product not in open_to_members:
            raise InvalidInput("product", unknown("product", product, open_to_members), InputCode.UNKNOWN_VALUE)
    if known is None:
        raise InvalidInput("product", unknown("product", product, system.products), InputCode.UNKNOWN_VALUE)
    if plan is not None and isinstance(caller, MemberCaller):
        reason = "The operator chooses the plan of a new workspace; leave it out."
        raise InvalidInput("plan", reason, InputCode.NOT_ALLOWED)
    chosen = known.default_plan if plan is None else plan
    if chosen not in known.plans:
        raise InvalidInput("plan", unknown("plan", chosen, known.plans), InputCode.UNKNOWN_VALUE)
    return chosen


async def _own(session: AsyncSession, system: System, workspace: Workspace, user_id: str) -> None:
    await check_room_for_member(session, workspace.id, user_id)
    session.add(Member(workspace_id=workspace.id, user_id=user_id, role=OWNER_ROLE, created_at=system.clock()))


async def _record_creation(session: AsyncSession, system: System, caller: Creator, workspace: Workspace) -> None:
    await record(
        session,
        system,
        actor_of(caller),
        chain=workspace.id,
        action="workspace.create",
        target_id=workspace.id,
        after=workspace_facts(workspace),
    )


async def _check_owned(session: AsyncSession, system: System, caller: MemberCaller) -> None:
    """Raise if a person owns the maximum number of workspaces. Locks their row, so that concurrent requests count.

    :raises Forbidden: if they do.
    """
    await user_queries.lock_user(session, caller.id)
    most = system.workspace_creation.owned_max
    if await workspace_queries.count_owned_workspaces(session, caller.id, OWNER_ROLE) >= most:
        owned = "one workspace" if most == 1 else f"{most} workspaces"
        raise Forbidden((), f"You own {owned} already, the maximum on this server.")


async def _check_slug_free(
    session: AsyncSession, system: System, caller: Caller, workspace: Workspace, *, take_resting: bool = False
) -> None:
    """Raise if a slug is unavailable; otherwise remove it from the released slugs.

    :raises InvalidInput: if it is reserved.
    :raises Conflict: if another workspace has it, or gave it up recently.
    """
    slug = workspace.slug
    if slug in RESERVED_SLUGS:
        raise InvalidInput("slug", f"'{slug}' is a reserved word; choose another.", InputCode.RESERVED)
    with session.no_autoflush:
        other = await workspace_queries.workspace_by_slug(session, slug)
        released = await workspace_queries.released_slug(session, slug)
    if other is not None and other.id != workspace.id:
        raise Conflict(f"The slug '{slug}' is taken; choose another.", ConflictCode.SLUG_TAKEN)
    if released is None:
        return
    until = released.released_at + SLUG_REST
    if released.workspace_id != workspace.id and system.clock() < until:
        if not acts_as_operator(caller):
            # The former name of another workspace, and the end of its slug's rest, are for that workspace and the
            # operator only.
            raise Conflict(f"The slug '{slug}' is taken; choose another.", ConflictCode.SLUG_TAKEN)
        if not take_resting:
            raise Conflict(
                f"The slug '{slug}' belonged to the workspace {released.workspace_id} and rests until "
                f"{until:%Y-%m-%d}, so that old links do not reach another workspace; choose another.",
                ConflictCode.SLUG_TAKEN,
            )
    with session.no_autoflush:
        await workspace_queries.forget_released_slug(session, slug)


def _external_id(caller: Caller, external_id: str | None) -> str | None:
    """Return the external id of a workspace, by which the host application finds it.

    :raises InvalidInput: if it is malformed, or the caller is not the operator.
    """
    if not (acts_as_operator(caller) or isinstance(caller, ServiceCaller)):
        reason = "Only the operator sets the external id of a workspace; leave it out."
        raise InvalidInput("external_id", reason, InputCode.NOT_ALLOWED)
    return None if external_id is None else clean_external_id("external_id", external_id)


async def _check_external_id_free(session: AsyncSession, workspace: Workspace) -> None:
    """Raise if another workspace of the product has the external id.

    :raises Conflict: if it has. One that is created at the same time is refused by the database, with the same code.
    """
    if workspace.external_id is None:
        return
    with session.no_autoflush:
        other = await workspace_queries.workspace_by_external_id(session, workspace.product, workspace.external_id)
    if other is not None and other.id != workspace.id:
        raise external_id_taken()


def _apply_names(workspace: Workspace, changes: WorkspaceChanges, faults: Faults) -> None:
    if changes.name is not UNSET:
        with faults:
            workspace.name = clean_name("name", changes.name)
    if changes.slug is not UNSET:
        with faults:
            workspace.slug = clean_slug("slug", changes.slug)


def _apply_plan(authority: SessionAuthority, changes: WorkspaceChanges, now: datetime) -> None:
    if changes.plan is UNSET or changes.plan == authority.workspace.plan:
        return
    plans = authority.product.plans
    plan = plans.get(changes.plan)
    if plan is None:
        raise InvalidInput("plan", unknown("plan", changes.plan, plans), InputCode.UNKNOWN_VALUE)
    if not plan.self_service and UPDATE_WORKSPACES not in authority.scopes:
        raise InvalidInput(
            "plan", f"The plan '{plan.title}' cannot be chosen here; ask the operator to set it.", InputCode.NOT_ALLOWED
        )
    # The new plan restores scopes that the old one excluded.
    opened = _included(authority.product, plan) - _included(authority.product, plans.get(authority.workspace.plan))
    if opened:
        check_strengthening(authority, None, role_power(sorted(opened)), now)
    authority.workspace.plan = plan.name


def _included(product: Product, plan: Plan | None) -> frozenset[str]:
    """Return the product's scopes available on this plan; none if the plan is gone or has no tokens."""
    if plan is None or plan.tokens_max == 0:
        return frozenset()
    return frozenset(product.scopes) if plan.scopes is None else plan.scopes


def _apply_policy(authority: SessionAuthority, changes: WorkspaceChanges, now: datetime, faults: Faults) -> None:
    workspace = authority.workspace
    if changes.expiry_required is not UNSET:
        workspace.expiry_required = changes.expiry_required
    if changes.lifetime_seconds_max is not UNSET:
        with faults:
            workspace.lifetime_seconds_max = _lifetime("lifetime_seconds_max", changes.lifetime_seconds_max)
    if changes.lifetime_seconds_default is not UNSET:
        with faults:
            workspace.lifetime_seconds_default = _lifetime("lifetime_seconds_default", changes.lifetime_seconds_default)
    longest, default = workspace.lifetime_seconds_max, workspace.lifetime_seconds_default
    if longest is not None and default is not None and default > longest:
        reason = "Must not be longer than the longest lifetime."
        faults.add(Fault(("lifetime_seconds_default",), InputCode.OUT_OF_RANGE, reason))
    if changes.scopes_allowed is not UNSET:
        with faults:
            _apply_scopes_allowed(authority, changes.scopes_allowed, now)


def _apply_scopes_allowed(authority: SessionAuthority, scopes: tuple[str, ...] | None, now: datetime) -> None:
    workspace, known = authority.workspace, authority.product.known_scopes
    faults = Faults()
    for number, scope in enumerate(scopes or ()):
        if scope not in known:
            path = ("scopes_allowed", str(number))
            faults.add(Fault(path, InputCode.UNKNOWN_VALUE, unknown("scope", scope, known)))
    faults.raise_found()
    # Opening the policy restores scopes of tokens, which amounts to granting them.
    opened = _allowed(scopes, known) - _allowed(workspace.scopes_allowed, known)
    workspace.scopes_allowed = None if scopes is None else sorted(set(scopes))
    if opened:
        check_strengthening(authority, None, Power(Kind.WORKSPACE, tuple(sorted(opened))), now)


def _allowed(scopes: Collection[str] | None, known: frozenset[str]) -> frozenset[str]:
    """Return the allowed scopes: None allows all, and an empty list none."""
    return known if scopes is None else frozenset(scopes)


def _apply_operator(system: System, authority: SessionAuthority, changes: WorkspaceChanges) -> None:
    if changes.per_minute is UNSET and changes.burst is UNSET and changes.suspended is UNSET:
        return
    authority.require(UPDATE_WORKSPACES)
    workspace = authority.workspace
    if changes.per_minute is not UNSET:
        workspace.per_minute = changes.per_minute
    if changes.burst is not UNSET:
        workspace.burst = changes.burst
    if (workspace.per_minute is None) != (workspace.burst is None):
        raise InvalidInput("burst", "Give per_minute and burst together, or neither.", InputCode.REQUIRED)
    if any(number is not None and not 1 <= number < 2**31 for number in (workspace.per_minute, workspace.burst)):
        raise InvalidInput("per_minute", "Give whole numbers of 1 or more.", InputCode.OUT_OF_RANGE)
    if changes.suspended is not UNSET and changes.suspended != (workspace.suspended_at is not None):
        workspace.suspended_at = system.clock() if changes.suspended else None


def _lifetime(field: str, seconds: int | None) -> int | None:
    if seconds is not None and not 1 <= seconds <= LIFETIME_SECONDS_MAX:
        raise InvalidInput(field, "Give a number of seconds, 1 or more.", InputCode.OUT_OF_RANGE)
    return seconds
