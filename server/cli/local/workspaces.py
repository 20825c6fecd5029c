"""Workspaces, their roles and their spaces in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from spacekey.domain.ids import USER, id_prefix
from spacekey.domain.product import expand
from spacekey.domain.refusal import NotFound
from spacekey.domain.unset import UNSET
from spacekey.models.tables.workspace import Workspace
from spacekey.resolvers.access.authority import Authority, authority_to_read
from spacekey.resolvers.system import System
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.lists import linked_workspaces, one_linked_space, space_list
from spacekey.resolvers.workspaces.roles import delete_role, set_role
from spacekey.resolvers.workspaces.spaces import create_space, delete_space, update_space
from spacekey.resolvers.workspaces.workspaces import (
    ChangedWorkspace,
    WorkspaceChanges,
    create_workspace,
    create_workspace_for,
    update_workspace,
)
from spacekey.server.cli.common.backend import Consent, DryRun, Values
from spacekey.server.cli.common.consent import ask_first
from spacekey.server.cli.common.facts import invitation_facts, space_facts, workspace_facts
from spacekey.server.cli.common.lookup import (
    account_called,
    every,
    every_workspace,
    proven_account,
    space_called,
    space_to_change,
    workspace_called,
    workspace_to_change,
)
from spacekey.server.cli.common.output import Facts
from spacekey.server.cli.common.run import Failure, operator
from spacekey.server.timestamps import written

TAKING = {"plan", "per_minute", "burst", "scopes_allowed", "suspended"}
"""Changes of a workspace after which tokens may do less."""


class LocalWorkspaces:
    """See :class:`spacekey.server.cli.common.backend.Workspaces`."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def list(self, external_id: str | None = None) -> AsyncIterator[Facts]:
        if external_id is not None:
            for one in await linked_workspaces(self._system, operator(), external_id):
                yield workspace_facts(self._system, one.workspace)
            return
        async for workspace in every_workspace(self._system):
            yield workspace_facts(self._system, workspace)

    async def show(self, workspace: str) -> Facts:
        return workspace_facts(self._system, await workspace_called(self._system, workspace))

    async def create(self, slug: str, product: str, fields: Values) -> tuple[Facts, str | None]:
        system, owner = self._system, fields.get("owner")
        called, plan = fields.get("name") or slug, fields.get("plan")
        resting = bool(fields.get("take_resting_slug"))
        if owner is None:
            made = await create_workspace(
                system,
                operator(),
                name=called,
                slug=slug,
                product=product,
                plan=plan,
                take_resting_slug=resting,
                external_id=fields.get("external_id"),
            )
            return workspace_facts(system, made), None
        await (account_called if id_prefix(owner) == USER else proven_account)(system, owner)
        new = await create_workspace_for(
            system,
            operator(),
            name=called,
            slug=slug,
            product=product,
            plan=plan,
            owner=owner,
            take_resting_slug=resting,
            external_id=fields.get("external_id"),
        )
        shown = workspace_facts(system, new.workspace)
        if new.invited is None:
            return {**shown, "owner_id": new.owner.id if new.owner else None}, None
        invited = invitation_facts(new.invited.pending)["email"]
        return {**shown, "owner_id": None, "invited": invited}, new.invited.invitation.reveal()

    async def edit(
        self, workspace: str, changes: Values, question: str | None, consent: Consent, *, always: bool = False
    ) -> Facts | DryRun:
        system = self._system
        found, asked = await workspace_to_change(system, workspace), WorkspaceChanges(**changes)
        if question is not None and (consent.dry_run or TAKING & changes.keys()):
            hits = await ask_first(
                system,
                found.id,
                lambda rehearsed: update_workspace(rehearsed, operator(), found.id, asked, wait=False),
                question,
                consent,
                always=always,
            )
            if hits is not None:
                return hits
        changed = await update_workspace(system, operator(), found.id, asked, wait=consent.wait)
        return {**workspace_facts(system, changed.workspace), "effective_at": written(changed.effective_at)}

    async def delete(self, workspace: str, consent: Consent) -> Facts | DryRun:
        system = self._system
        found = await workspace_to_change(system, workspace)
        hits = await ask_first(
            system,
            found.id,
            lambda rehearsed: delete_workspace(rehearsed, operator(), found.id, wait=False),
            f"The workspace '{found.name}' ends for good, with all of its tokens and members. Delete it?",
            consent,
            always=True,
        )
        if hits is not None:
            return hits
        gone = await delete_workspace(system, operator(), found.id, wait=consent.wait)
        return {**workspace_facts(system, gone.workspace), "effective_at": written(gone.effective_at)}

    async def roles(self, workspace: str) -> AsyncIterator[Facts]:
        authority = await self._authority(await workspace_called(self._system, workspace))
        for name in sorted(authority.roles):
            yield _role_facts(authority, name)

    async def set_role(self, workspace: str, role: str, fields: Values, consent: Consent) -> Facts | DryRun:
        system = self._system
        home = await workspace_to_change(system, workspace)
        before = await self._authority(home)
        if fields["grants"] is None and role not in before.roles:
            raise Failure(f"There is no role '{role}'. 'spacekey role list -w {home.slug}' shows them.")
        hits = await ask_first(
            system,
            home.id,
            lambda rehearsed: _configured(rehearsed, home.id, role, fields, wait=False),
            f"{'Delete' if fields['grants'] is None else 'Set'} the role '{role}'?",
            consent,
            always=fields["grants"] is None,
        )
        if hits is not None:
            return hits
        changed = await _configured(system, home.id, role, fields, wait=consent.wait)
        after = before if fields["grants"] is None else await self._authority(home)
        return {**_role_facts(after, role), "effective_at": written(changed.effective_at)}

    async def _authority(self, home: Workspace) -> Authority:
        return await self._system.store.read(
            lambda reader: authority_to_read(reader, self._system, operator(), home.id)
        )


async def _configured(system: System, workspace_id: str, role: str, fields: Values, *, wait: bool) -> ChangedWorkspace:
    if fields["grants"] is None:
        return await delete_role(system, operator(), workspace_id, name=role, wait=wait)
    return await set_role(system, operator(), workspace_id, name=role, **fields, wait=wait)


def _role_facts(authority: Authority, name: str) -> Facts:
    role = authority.roles[name]
    return {
        "name": name,
        "title": role.title,
        "description": role.description,
        "grants": list(role.grants),
        "scopes": sorted(expand(authority.product, [name], authority.roles)),
    }


class LocalSpaces:
    """See :class:`spacekey.server.cli.common.backend.Spaces`."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def list(self, workspace: str, external_id: str | None = None) -> AsyncIterator[Facts]:
        found = await workspace_called(self._system, workspace)
        if external_id is not None:
            with suppress(NotFound):
                yield space_facts((await one_linked_space(self._system, operator(), found.id, external_id))[0])
            return
        async for space in every(lambda page: space_list(self._system, operator(), found.id, page)):
            yield space_facts(space)

    async def show(self, space: str, workspace: str | None) -> Facts:
        home = None if workspace is None else await workspace_called(self._system, workspace)
        return space_facts(await space_called(self._system, space, home))

    async def create(self, slug: str, workspace: str, name: str, external_id: str | None = None) -> Facts:
        home = await workspace_to_change(self._system, workspace)
        made = await create_space(self._system, operator(), home.id, name=name, slug=slug, external_id=external_id)
        return space_facts(made)

    async def edit(self, space: str, workspace: str | None, changes: Values) -> Facts:
        found = await space_to_change(self._system, space, workspace)
        given = {name: changes.get(name, UNSET) for name in ("name", "slug", "external_id")}
        return space_facts(await update_space(self._system, operator(), found.id, **given))

    async def delete(self, space: str, workspace: str | None, consent: Consent) -> Facts | DryRun:
        system = self._system
        found = await space_to_change(system, space, workspace)
        hits = await ask_first(
            system,
            found.workspace_id,
            lambda rehearsed: delete_space(rehearsed, operator(), found.id, wait=False),
            f"All tokens of the space {found.id} '{found.name}' stop working for good. Delete it?",
            consent,
            always=True,
        )
        if hits is not None:
            return hits
        gone = await delete_space(system, operator(), found.id, wait=consent.wait)
        return {**space_facts(gone.space), "effective_at": written(gone.effective_at)}
