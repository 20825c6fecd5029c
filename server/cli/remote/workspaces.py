"""Workspaces, their roles and their spaces on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from spacekey.server.cli.common.backend import Consent, DryRun, Values
from spacekey.server.cli.common.output import Facts
from spacekey.server.cli.common.run import Failure

from . import documents
from .client import Client
from .facts import moment, role_facts, space_facts, workspace_facts
from .places import ask, check_rehearsed, only_on_the_database, space_called, workspace_called, workspace_to_change

OPERATORS = {
    "per_minute": "--per-minute",
    "burst": "--burst",
    "suspended": "Suspending and resuming a workspace",
    "external_id": "--external-id",
}
"""Changes that the API does not offer, and what commands call them."""

POLICY = {
    "lifetime_seconds_max": "maxLifetimeSeconds",
    "lifetime_seconds_default": "defaultLifetimeSeconds",
    "expiry_required": "expiryRequired",
    "scopes_allowed": "scopesAllowed",
}
TAKING = {"plan", "scopes_allowed"}
_FIELDS = {"external_id": "externalId"}


class RemoteWorkspaces:
    """See :class:`spacekey.server.cli.common.backend.Workspaces`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(self, external_id: str | None = None) -> AsyncIterator[Facts]:
        if external_id is not None:
            found = (await self._client.query(documents.LINKED_WORKSPACE, externalId=external_id))["workspace"]
            if found is not None:
                yield workspace_facts(found)
            return
        async for node in self._client.pages(documents.WORKSPACES, ("workspaces",)):
            yield workspace_facts(node)

    async def show(self, workspace: str) -> Facts:
        return workspace_facts(await workspace_called(self._client, workspace))

    async def create(self, slug: str, product: str, fields: Values) -> tuple[Facts, str | None]:
        for name in ("plan", "owner", "take_resting_slug", "external_id"):
            if fields.get(name):
                raise only_on_the_database(f"--{name.replace('_', '-')}")
        asked = {"slug": slug, "name": fields.get("name") or slug, "product": product}
        made = await self._client.change(documents.CREATE_WORKSPACE, "workspace", asked)
        return workspace_facts(made["workspace"]), None

    async def edit(
        self, workspace: str, changes: Values, question: str | None, consent: Consent, *, always: bool = False
    ) -> Facts | DryRun:
        for name, called in OPERATORS.items():
            if name in changes:
                raise only_on_the_database(called)
        check_rehearsed(consent)
        found = await workspace_to_change(self._client, workspace)
        if question is not None and (always or TAKING & changes.keys()):
            ask(f"Tokens may stop working, or lose scopes. {question}", consent)
        fields = {name: value for name, value in changes.items() if name not in POLICY}
        policy = {POLICY[name]: value for name, value in changes.items() if name in POLICY}
        if policy:
            fields["policy"] = policy
        done = await self._client.change(
            documents.UPDATE_WORKSPACE, "workspace", {"id": found["id"], "wait": consent.wait, **fields}
        )
        return {**workspace_facts(done["workspace"]), "effective_at": moment(done["effectiveAt"])}

    async def delete(self, workspace: str, consent: Consent) -> Facts | DryRun:
        check_rehearsed(consent)
        found = await workspace_to_change(self._client, workspace)
        ask(f"The workspace '{found['name']}' ends for good, with all of its tokens and members. Delete it?", consent)
        asked = {"id": found["id"], "wait": consent.wait}
        gone = await self._client.change(documents.DELETE_WORKSPACE, "workspace", asked)
        return {**workspace_facts(found), "status": "deleted", "effective_at": moment(gone["effectiveAt"])}

    async def roles(self, workspace: str) -> AsyncIterator[Facts]:
        home = await workspace_called(self._client, workspace)
        for node in await self._roles(home):
            yield role_facts(node)

    async def set_role(self, workspace: str, role: str, fields: Values, consent: Consent) -> Facts | DryRun:
        check_rehearsed(consent)
        home = await workspace_to_change(self._client, workspace)
        before = {one["name"]: one for one in await self._roles(home)}
        removed = fields["grants"] is None
        if removed and role not in before:
            raise Failure(f"There is no role '{role}'. 'spacekey role list -w {home['slug']}' shows them.")
        if role in before:
            does = "Delete it" if removed else "Change it"
            ask(f"Members and tokens may hold the role '{role}', and lose scopes. {does}?", consent)
        asked = {"workspaceId": home["id"], "name": role, "wait": consent.wait}
        if removed:
            done = await self._client.change(documents.DELETE_ROLE, "role", asked)
            return {**role_facts(before[role]), "effective_at": moment(done["effectiveAt"])}
        given = {name: value for name, value in fields.items() if value is not None}
        done = await self._client.change(documents.SET_ROLE, "role", {**asked, **given})
        after = {one["name"]: one for one in done["workspace"]["roles"]}
        return {**role_facts(after[role]), "effective_at": moment(done["effectiveAt"])}

    async def _roles(self, home: Facts) -> Sequence[Mapping[str, Any]]:
        found = (await self._client.query(documents.ROLES, id=home["id"]))["workspace"]["roles"]
        return sorted(found, key=lambda one: str(one["name"]))


class RemoteSpaces:
    """See :class:`spacekey.server.cli.common.backend.Spaces`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(self, workspace: str, external_id: str | None = None) -> AsyncIterator[Facts]:
        home = await workspace_called(self._client, workspace)
        if external_id is not None:
            asked = {"workspaceId": home["id"], "externalId": external_id}
            found = (await self._client.query(documents.LINKED_SPACE, **asked))["space"]
            if found is not None:
                yield space_facts(found)
            return
        async for node in self._client.pages(documents.SPACES, ("workspace", "spaces"), id=home["id"]):
            yield space_facts(node)

    async def show(self, space: str, workspace: str | None) -> Facts:
        return space_facts(await self._called(space, workspace))

    async def create(self, slug: str, workspace: str, name: str, external_id: str | None = None) -> Facts:
        home = await workspace_to_change(self._client, workspace)
        asked = {"workspaceId": home["id"], "name": name, "slug": slug}
        if external_id is not None:
            asked["externalId"] = external_id
        return space_facts((await self._client.change(documents.CREATE_SPACE, "workspace", asked))["space"])

    async def edit(self, space: str, workspace: str | None, changes: Values) -> Facts:
        found = await self._called(space, workspace)
        asked = {"id": found["id"], **{_FIELDS.get(name, name): value for name, value in changes.items()}}
        return space_facts((await self._client.change(documents.UPDATE_SPACE, "space", asked))["space"])

    async def delete(self, space: str, workspace: str | None, consent: Consent) -> Facts | DryRun:
        check_rehearsed(consent)
        found = await self._called(space, workspace)
        ask(f"All tokens of the space {found['id']} '{found['name']}' stop working for good. Delete it?", consent)
        asked = {"id": found["id"], "wait": consent.wait}
        gone = await self._client.change(documents.DELETE_SPACE, "space", asked)
        return {**space_facts(found), "effective_at": moment(gone["effectiveAt"])}

    async def _called(self, space: str, workspace: str | None) -> Facts:
        home = None if workspace is None else await workspace_called(self._client, workspace)
        return await space_called(self._client, space, home)
