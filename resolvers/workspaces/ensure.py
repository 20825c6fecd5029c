"""The workspace or space with an external id, created if there is none: of two calls at once, both get the same one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable
from typing import TypeVar

from spacekey.domain.external import clean_external_id
from spacekey.domain.refusal import Conflict, ConflictCode, InputCode, InvalidInput, NotFound
from spacekey.domain.scope import CREATE_WORKSPACES
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.workspace import Space, Workspace
from spacekey.resolvers.access.authority import READ, authority_in
from spacekey.resolvers.access.caller import Caller, HostCaller, Operator, ServiceCaller
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import unknown

from .spaces import create_space
from .workspaces import check_creator, create_workspace

T = TypeVar("T")

SLUG_BASE_MAX = 50
SUFFIX_BYTES = 4
TRIES = 5
"""How often a slug is made, and an object of the same external id that was created meanwhile is looked for."""

ENSURERS = f"This takes an operator credential: a service with the scopes {CREATE_WORKSPACES} and {READ}."
"""What callers of another kind are told."""

_NOT_IN_SLUGS = re.compile(r"[^a-z0-9]+")
_MEANWHILE = frozenset({ConflictCode.EXTERNAL_ID_TAKEN, ConflictCode.CONCURRENT_CHANGE})


async def ensure_workspace(
    system: System,
    caller: Operator | HostCaller | ServiceCaller,
    *,
    external_id: str,
    name: str,
    product: str,
    plan: str | None = None,
    slug: str | None = None,
) -> Workspace:
    """Return the product's workspace with this external id, created if there is none. One that exists is not changed.

    :param plan: of a new workspace; by default the product's default plan.
    :param slug: of a new workspace; None makes one of the name.
    :raises Forbidden: if a service may not create and read workspaces.
    :raises InvalidInput: if the product or plan is unknown or not the service's, or a name, slug or id is not
        acceptable.
    :raises Conflict: if the given slug is taken.
    """
    found, _ = await ensured_workspace(
        system, caller, external_id=external_id, name=name, product=product, plan=plan, slug=slug
    )
    return found


async def ensured_workspace(
    system: System,
    caller: Operator | HostCaller | ServiceCaller,
    *,
    external_id: str,
    name: str,
    product: str,
    plan: str | None = None,
    slug: str | None = None,
) -> tuple[Workspace, bool]:
    """Return :func:`ensure_workspace` and whether this call created it."""
    external_id = clean_external_id("external_id", external_id)
    if product not in system.products:
        raise InvalidInput("product", unknown("product", product, system.products), InputCode.UNKNOWN_VALUE)

    async def find() -> Workspace | None:
        async with system.store.reading() as session:
            if isinstance(caller, ServiceCaller):
                await check_creator(session, system, caller, product, READ)
            return await workspace_queries.workspace_by_external_id(session, product, external_id)

    async def create(chosen: str) -> Workspace:
        return await create_workspace(
            system, caller, name=name, slug=chosen, product=product, plan=plan, external_id=external_id
        )

    return await _ensure(system, find, create, name, slug)


async def ensure_space(
    system: System, caller: Caller, workspace_id: str, *, external_id: str, name: str, slug: str | None = None
) -> Space:
    """Return the workspace's space with this external id, created if there is none. One that exists is not changed.

    :param slug: of a new space; None makes one of the name.
    :raises NotFound, Forbidden: if the caller may not see the workspace or create spaces in it.
    :raises InvalidInput: if the name, slug or id is not acceptable.
    :raises Conflict: if the given slug is taken, or the workspace is full.
    """
    found, _ = await ensured_space(system, caller, workspace_id, external_id=external_id, name=name, slug=slug)
    return found


async def ensured_space(
    system: System, caller: Caller, workspace_id: str, *, external_id: str, name: str, slug: str | None = None
) -> tuple[Space, bool]:
    """Return :func:`ensure_space` and whether this call created it."""
    external_id = clean_external_id("external_id", external_id)

    async def find() -> Space | None:
        async with system.store.reading() as session:
            authority = await authority_in(session, system, caller, workspace_id)
            if authority.space_id is not None:
                raise NotFound("workspace")
            authority.require("spaces:read", "spaces:write")
            return await workspace_queries.space_by_external_id(session, authority.workspace.id, external_id)

    async def create(chosen: str) -> Space:
        return await create_space(system, caller, workspace_id, name=name, slug=chosen, external_id=external_id)

    return await _ensure(system, find, create, name, slug)


async def _ensure(
    system: System,
    find: Callable[[], Awaitable[T | None]],
    create: Callable[[str], Awaitable[T]],
    name: str,
    slug: str | None,
) -> tuple[T, bool]:
    base, attempts = _slug_of(name), 0
    while True:
        found = await find()
        if found is not None:
            return found, False
        made = base if attempts == 0 else f"{base}-{system.entropy(SUFFIX_BYTES).hex()}"
        attempts += 1
        try:
            return await create(made if slug is None else slug), True
        except (Conflict, InvalidInput) as error:
            if attempts == TRIES or not (_was_made_meanwhile(error) or (slug is None and _is_about_slug(error))):
                raise


def _was_made_meanwhile(error: Conflict | InvalidInput) -> bool:
    return isinstance(error, Conflict) and error.code in _MEANWHILE


def _is_about_slug(error: Conflict | InvalidInput) -> bool:
    """Return whether another slug would do: this one is taken, or a reserved word."""
    if isinstance(error, Conflict):
        return error.code == ConflictCode.SLUG_TAKEN
    return all(one.code is InputCode.RESERVED for one in error.faults)


def _slug_of(name: str) -> str:
    """Return a slug that resembles a name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_IN_SLUGS.sub("-", plain).strip("-")[:SLUG_BASE_MAX].strip("-") or "workspace"
