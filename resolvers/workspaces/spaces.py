"""Creation, editing and deletion of spaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.external import clean_external_id, external_id_taken
from spacekey.domain.ids import SPACE, id_prefix, new_id
from spacekey.domain.refusal import Conflict, ConflictCode, Faults, NotFound
from spacekey.domain.unset import UNSET, Unset
from spacekey.models.queries import tokens as token_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import AnySpace
from spacekey.models.tables.workspace import Space
from spacekey.resolvers.access.authority import SessionAuthority, authority_in
from spacekey.resolvers.access.caller import Caller
from spacekey.resolvers.access.entitlements import check_room_for_space
from spacekey.resolvers.audit.log import Facts, actor_of, record
from spacekey.resolvers.staleness import settle, staleness_seconds, takes_access_away
from spacekey.resolvers.system import System
from spacekey.resolvers.validation import clean_name, clean_slug

from .workspaces import check_unchanged

SPACE_DELETED = "The space was deleted."


@dataclass(frozen=True, slots=True)
class ChangedSpace:
    """A space after a change, and the time from which the change holds in every process."""

    space: Space
    effective_at: datetime


async def find_space(
    session: AsyncSession, system: System, caller: Caller, space_id: str, *, lock: bool = False
) -> tuple[Space, SessionAuthority]:
    """Return a space and the caller's authority over it.

    :raises NotFound: if it is unknown, deleted or outside the caller's authority.
    """
    space = await workspace_queries.space_by_id(session, space_id) if id_prefix(space_id) == SPACE else None
    if space is None or space.deleted_at is not None:
        raise NotFound("space")
    try:
        authority = await authority_in(session, system, caller, space.workspace_id, lock=lock)
    except NotFound:
        raise NotFound("space") from None
    if lock:
        await session.refresh(space)
    if space.deleted_at is not None or authority.space_id not in {None, space.id}:
        raise NotFound("space")
    return space, authority


async def workspace_of_space(system: System, space_id: str) -> str | None:
    """Return the id of the workspace that a space belongs to; None if it is unknown or deleted."""
    if id_prefix(space_id) != SPACE:
        return None
    found = await system.store.read(partial(workspace_queries.space_records, ids=[space_id]))
    return next((one.workspace_id for one in found if one.deleted_at is None), None)


async def create_space(
    system: System, caller: Caller, workspace_id: str, *, name: str, slug: str, external_id: str | None = None
) -> Space:
    """Create a space in a workspace.

    :param external_id: the id that the host application has for it, unique in the workspace.
    :raises NotFound, Forbidden: if the caller may not see the workspace or create spaces in it.
    :raises InvalidInput, Conflict: if the name, slug or external id is not acceptable, the slug or the external id is
        taken, or the workspace is full.
    """
    async with system.store.changing() as session:
        authority = await authority_in(session, system, caller, workspace_id, lock=True)
        if authority.space_id is not None:
            raise NotFound("workspace")
        authority.require("spaces:write")
        faults = Faults()
        with faults:
            cleaned = clean_name("name", name)
        with faults:
            slug = clean_slug("slug", slug)
        with faults:
            external_id = None if external_id is None else clean_external_id("external_id", external_id)
        faults.raise_found()
        space = Space(
            id=new_id(SPACE, system.clock(), system.entropy),
            workspace_id=workspace_id,
            name=cleaned,
            slug=slug,
            created_at=system.clock(),
            external_id=external_id,
        )
        await _check_slug_free(session, space)
        await _check_external_id_free(session, space)
        await check_room_for_space(session, workspace_id)
        session.add(space)
        await record(
            session,
            system,
            actor_of(caller),
            chain=workspace_id,
            action="space.create",
            target_id=space.id,
            after=_space_facts(space),
        )
    return space


async def update_space(
    system: System,
    caller: Caller,
    space_id: str,
    *,
    name: str | Unset = UNSET,
    slug: str | Unset = UNSET,
    external_id: str | Unset | None = UNSET,
    precondition: Callable[[AnySpace], bool] | None = None,
) -> Space:
    """Change a space's name, slug or external id.

    :raises NotFound, Forbidden, InvalidInput, Conflict: as at creation.
    """
    async with system.store.changing() as session:
        space, authority = await find_space(session, system, caller, space_id, lock=True)
        authority.require("spaces:write")
        check_unchanged("space", space, precondition)
        before = _space_facts(space)
        faults = Faults()
        if name is not UNSET:
            with faults:
                space.name = clean_name("name", name)
        if slug is not UNSET:
            with faults:
                space.slug = clean_slug("slug", slug)
        if external_id is not UNSET:
            with faults:
                space.external_id = None if external_id is None else clean_external_id("external_id", external_id)
        faults.raise_found()
        if slug is not UNSET:
            await _check_slug_free(session, space)
        await _check_external_id_free(session, space)
        after = _space_facts(space)
        if after != before:
            session.add(space)
            await record(
                session,
                system,
                actor_of(caller),
                chain=space.workspace_id,
                action="space.update",
                target_id=space.id,
                before=before,
                after=after,
            )
    return space


@takes_access_away
async def delete_space(
    system: System,
    caller: Caller,
    space_id: str,
    *,
    wait: bool = True,
    precondition: Callable[[AnySpace], bool] | None = None,
) -> ChangedSpace:
    """Delete a space and revoke its tokens.

    :raises NotFound, Forbidden: if the caller may not see or delete the space.
    """
    async with system.store.changing() as session:
        space, authority = await find_space(session, system, caller, space_id, lock=True)
        authority.require("spaces:write")
        check_unchanged("space", space, precondition)
        space.deleted_at = system.clock()
        session.add(space)
        # Verification checks the space too; this keeps lists correct and makes room in the plan.
        revoked = await token_queries.revoke_tokens_of_space(session, space.id, space.deleted_at, SPACE_DELETED)
        await record(
            session,
            system,
            actor_of(caller),
            chain=space.workspace_id,
            action="space.delete",
            target_id=space.id,
            before=_space_facts(space),
            after={"tokens_revoked": revoked},
        )
        staleness = await staleness_seconds(session, system)
    return ChangedSpace(space, await settle(system, staleness, wait=wait))


async def _check_slug_free(session: AsyncSession, space: Space) -> None:
    with session.no_autoflush:
        other = await workspace_queries.space_by_slug(session, space.workspace_id, space.slug)
    if other is not None and other.id != space.id:
        raise Conflict(f"The slug '{space.slug}' is taken in this workspace; choose another.", ConflictCode.SLUG_TAKEN)


async def _check_external_id_free(session: AsyncSession, space: Space) -> None:
    """Raise if another space of the workspace has the external id.

    :raises Conflict: if it has.
    """
    if space.external_id is None:
        return
    with session.no_autoflush:
        other = await workspace_queries.space_by_external_id(session, space.workspace_id, space.external_id)
    if other is not None and other.id != space.id:
        raise external_id_taken()


def _space_facts(space: Space) -> Facts:
    """Return what the audit log keeps of a space."""
    return {"name": space.name, "slug": space.slug, "external_id": space.external_id}
