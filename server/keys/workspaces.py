"""Workspaces and spaces through ``Keys``."""

from __future__ import annotations

from collections.abc import AsyncIterator

from spacekey.domain.page import Page, PageRequest
from spacekey.domain.principal import Limit
from spacekey.domain.refusal import InputCode, InvalidInput, NotFound
from spacekey.domain.unset import UNSET, Unset
from spacekey.models.engine.joined import HostSession
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import WorkspaceRecord
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.ensure import ensure_space, ensure_workspace
from spacekey.resolvers.workspaces.lists import one_linked_space, one_space, one_workspace, space_list
from spacekey.resolvers.workspaces.spaces import delete_space, update_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace

from .inside import Inside, caller, every, refuse_session, space_id, text, workspace_id
from .records import Actor, ChangedWorkspace, Policy, Space, Workspace, space_of, workspace_of


class Workspaces:
    """``keys.workspaces``: the tenants of the loaded products.

    A workspace is given as its record or its id. One of a product that is not loaded, one that was deleted and one that
    never existed are ``NotFound`` alike.

    :param workspace: the workspace, as its record or its id.
    :param external_id: your id of the tenant, 1 to 200 characters.
    :param actor: your user, who is recorded in the audit log; None if your application acts by itself.
    :param wait: False returns at once, with ``effective_at`` in the future.
    :param name: what people see.
    :param slug: the name in addresses and commands, unique on the server.
    """

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    async def ensure(
        self,
        *,
        external_id: str,
        name: str | None = None,
        product: str | None = None,
        plan: str | None = None,
        slug: str | None = None,
        actor: Actor | None = None,
        session: HostSession | None = None,
    ) -> Workspace:
        """Return the workspace of your tenant, which is created if there is none.

        Calls at the same time return the same workspace. One that exists is returned as it is: change its plan with
        :meth:`update`.

        :param external_id: your id of the tenant, 1 to 200 characters; unique among the workspaces of a product.
        :param name: what people see; by default the external id.
        :param product: the product's name; may be left out if one product is loaded.
        :param plan: by default the product's default plan.
        :param slug: the name in addresses and commands, unique on the server; made from the name by default.
        :param session: an ``AsyncSession`` of yours on the same PostgreSQL database, whose transaction it joins.
        :raises InvalidInput: for an unknown product or plan, or a malformed name, slug or id.
        :raises Conflict: if the given slug is taken.
        """
        system = await self._inside.system(session)
        external_id = text("external_id", external_id)
        made = await ensure_workspace(
            system,
            caller(actor),
            external_id=external_id,
            name=external_id if name is None else text("name", name),
            product=self._product(product),
            plan=None if plan is None else text("plan", plan),
            slug=None if slug is None else text("slug", slug),
        )
        return workspace_of(made)

    async def get(self, workspace: Workspace | str) -> Workspace:
        """Return a workspace as it is now.

        :raises NotFound: if there is none.
        """
        system = await self._inside.system()
        return workspace_of((await one_workspace(system, caller(), workspace_id(workspace))).workspace)

    async def find(self, *, external_id: str, product: str | None = None) -> Workspace | None:
        """Return the workspace of your tenant, or None.

        :param product: the product's name; may be left out if one product is loaded.
        """
        system = await self._inside.system()
        try:
            found = await one_workspace(
                system, caller(), external_id=text("external_id", external_id), product=self._product(product)
            )
        except NotFound:
            return None
        return workspace_of(found.workspace)

    async def list(self, *, product: str | None = None) -> AsyncIterator[Workspace]:
        """Yield the workspaces of the loaded products by name, read page by page.

        :param product: those of one product.
        """
        wanted = None if product is None else self._product(product)
        system = await self._inside.system()

        async def page(request: PageRequest) -> Page[WorkspaceRecord]:
            return await system.store.read(lambda reader: workspace_queries.workspace_page(reader, request))

        async for row in every(page):
            if row.product == wanted or (wanted is None and row.product in system.products):
                yield workspace_of(row)

    async def update(
        self,
        workspace: Workspace | str,
        *,
        name: str | Unset = UNSET,
        slug: str | Unset = UNSET,
        external_id: str | Unset | None = UNSET,
        plan: str | Unset = UNSET,
        policy: Policy | Unset = UNSET,
        limit: Limit | Unset | None = UNSET,
        actor: Actor | None = None,
        wait: bool = True,
        session: HostSession | None = None,
    ) -> ChangedWorkspace:
        """Change a workspace; what is left out stays.

        :param plan: any plan of the product.
        :param policy: takes the place of the whole policy.
        :param limit: a rate limit in place of the plan's; None for the plan's.
        :param session: as for :meth:`ensure`, for names and external ids. The others may take access away.
        :raises NotFound: if there is no such workspace.
        :raises InvalidInput, Conflict: for values that are not acceptable, or taken.
        """
        if any(one is not UNSET for one in (plan, policy, limit)):
            refuse_session(session, "Changing plan, policy or limit")
        own = () if limit is UNSET else (None, None) if limit is None else (limit.per_minute, limit.burst)
        changes = WorkspaceChanges(
            name=name,
            slug=slug,
            external_id=external_id,
            plan=plan,
            lifetime_seconds_max=UNSET if policy is UNSET else policy.lifetime_seconds_max,
            lifetime_seconds_default=UNSET if policy is UNSET else policy.lifetime_seconds_default,
            expiry_required=UNSET if policy is UNSET else policy.expiry_required,
            scopes_allowed=UNSET if policy is UNSET else _allowed(policy),
            per_minute=own[0] if own else UNSET,
            burst=own[1] if own else UNSET,
        )
        return await self._update(workspace, changes, actor, wait=wait, session=session)

    async def suspend(
        self, workspace: Workspace | str, *, actor: Actor | None = None, wait: bool = True
    ) -> ChangedWorkspace:
        """Suspend a workspace: its tokens are refused until it is resumed.

        :raises NotFound: if there is no such workspace.
        """
        return await self._update(workspace, WorkspaceChanges(suspended=True), actor, wait=wait)

    async def resume(
        self, workspace: Workspace | str, *, actor: Actor | None = None, wait: bool = True
    ) -> ChangedWorkspace:
        """End a suspension.

        :raises NotFound: if there is no such workspace.
        """
        return await self._update(workspace, WorkspaceChanges(suspended=False), actor, wait=wait)

    async def delete(
        self, workspace: Workspace | str, *, actor: Actor | None = None, wait: bool = True
    ) -> ChangedWorkspace:
        """Delete a workspace: its tokens are refused for good, and its memberships and invitations end.

        :raises NotFound: if there is no such workspace.
        """
        system = await self._inside.system()
        gone = await delete_workspace(system, caller(actor), workspace_id(workspace), wait=wait)
        return ChangedWorkspace(workspace_of(gone.workspace), gone.effective_at)

    async def _update(
        self,
        workspace: Workspace | str,
        changes: WorkspaceChanges,
        actor: Actor | None,
        *,
        wait: bool,
        session: HostSession | None = None,
    ) -> ChangedWorkspace:
        system = await self._inside.system(session)
        changed = await update_workspace(system, caller(actor), workspace_id(workspace), changes, wait=wait)
        return ChangedWorkspace(workspace_of(changed.workspace), changed.effective_at)

    def _product(self, name: str | None) -> str:
        if name is not None:
            return text("product", name)
        products = sorted(self._inside.unprepared.products)
        if len(products) > 1:
            reason = f"Several products are loaded; name one of them: {', '.join(products)}."
            raise InvalidInput("product", reason, InputCode.REQUIRED)
        return products[0]


def _allowed(policy: Policy) -> tuple[str, ...] | None:
    return None if policy.scopes_allowed is None else tuple(sorted(policy.scopes_allowed))


class Spaces:
    """``keys.spaces``: the projects inside a workspace. Those of another workspace are ``NotFound``.

    :param workspace: the workspace, as its record or its id.
    :param space: the space, as its record or its id.
    :param external_id: your id of the project, unique in the workspace.
    :param actor: your user, who is recorded in the audit log; None if your application acts by itself.
    :param name: what people see.
    :param slug: the name in addresses and commands, unique in the workspace.
    """

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    async def ensure(
        self,
        workspace: Workspace | str,
        *,
        external_id: str,
        name: str | None = None,
        slug: str | None = None,
        actor: Actor | None = None,
        session: HostSession | None = None,
    ) -> Space:
        """Return the space of your project, which is created if there is none.

        :param external_id: your id of the project, unique in the workspace.
        :param name: what people see; by default the external id.
        :param slug: the name in addresses and commands, unique in the workspace; made from the name by default.
        :param session: as for ``keys.workspaces.ensure``.
        :raises NotFound: if there is no such workspace.
        :raises InvalidInput: for a malformed name, slug or id.
        :raises Conflict: if the given slug is taken, or the workspace is full.
        """
        system = await self._inside.system(session)
        external_id = text("external_id", external_id)
        made = await ensure_space(
            system,
            caller(actor, workspace=workspace),
            workspace_id(workspace),
            external_id=external_id,
            name=external_id if name is None else text("name", name),
            slug=None if slug is None else text("slug", slug),
        )
        return space_of(made)

    async def get(self, workspace: Workspace | str, space: Space | str) -> Space:
        """Return a space as it is now.

        :raises NotFound: if the workspace has none.
        """
        system = await self._inside.system()
        return space_of((await one_space(system, caller(workspace=workspace), space_id(space)))[0])

    async def find(self, workspace: Workspace | str, *, external_id: str) -> Space | None:
        """Return the space of your project, or None.

        :raises NotFound: if there is no such workspace.
        """
        system = await self._inside.system()
        try:
            found, _ = await one_linked_space(
                system, caller(workspace=workspace), workspace_id(workspace), text("external_id", external_id)
            )
        except NotFound as error:
            if error.what == "space":
                return None
            raise
        return space_of(found)

    async def list(self, workspace: Workspace | str) -> AsyncIterator[Space]:
        """Yield the workspace's spaces by name, read page by page.

        :raises NotFound: if there is no such workspace.
        """
        system = await self._inside.system()
        asking, home = caller(workspace=workspace), workspace_id(workspace)
        async for row in every(lambda page: space_list(system, asking, home, page)):
            yield space_of(row)

    async def update(
        self,
        workspace: Workspace | str,
        space: Space | str,
        *,
        name: str | Unset = UNSET,
        slug: str | Unset = UNSET,
        external_id: str | Unset | None = UNSET,
        actor: Actor | None = None,
        session: HostSession | None = None,
    ) -> Space:
        """Change a space; what is left out stays.

        :param session: as for ``keys.workspaces.ensure``.
        :raises NotFound: if the workspace has none.
        :raises InvalidInput, Conflict: for values that are not acceptable, or taken.
        """
        system = await self._inside.system(session)
        asking = caller(actor, workspace=workspace)
        changed = await update_space(system, asking, space_id(space), name=name, slug=slug, external_id=external_id)
        return space_of(changed)

    async def delete(
        self, workspace: Workspace | str, space: Space | str, *, actor: Actor | None = None, wait: bool = True
    ) -> Space:
        """Delete a space and revoke its tokens.

        :param wait: False returns at once, before every process has learned it.
        :raises NotFound: if the workspace has none.
        """
        system = await self._inside.system()
        gone = await delete_space(system, caller(actor, workspace=workspace), space_id(space), wait=wait)
        return space_of(gone.space)
