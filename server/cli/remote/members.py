"""Members of workspaces and invitations on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator

from spacekey.domain.ids import USER, id_prefix
from spacekey.server.cli.common.backend import Consent, DryRun
from spacekey.server.cli.common.output import Facts, shown
from spacekey.server.cli.common.run import USAGE, Failure, confirmed

from . import documents
from .client import Client
from .facts import invitation_facts, member_facts, moment
from .places import ask, check_rehearsed, workspace_called, workspace_to_change


class RemoteMembers:
    """See :class:`spacekey.server.cli.common.backend.Members`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(self, workspace: str) -> AsyncIterator[Facts]:
        home = await workspace_called(self._client, workspace)
        async for member in self._members(home):
            yield member

    async def show(self, account: str, workspace: str) -> Facts:
        return await self._called(await workspace_called(self._client, workspace), account)

    async def add(self, account: str, workspace: str, role: str, name: str | None) -> tuple[Facts, str | None]:
        if id_prefix(account) == USER:
            raise Failure(
                "ACCOUNT: a server invites by e-mail address; accounts are added where its database is.", USAGE
            )
        home = await workspace_to_change(self._client, workspace)
        asked = {"workspaceId": home["id"], "email": account, "role": role, "name": name}
        made = await self._client.change(documents.ADD_MEMBER, "workspace", asked)
        return {"user_id": None, **invitation_facts(made["invitation"], home["id"])}, made["invitationCode"]

    async def set_role(self, account: str, workspace: str, role: str, consent: Consent) -> Facts | DryRun:
        check_rehearsed(consent)
        home = await workspace_to_change(self._client, workspace)
        member = await self._called(home, account)
        ask(f"The member may lose scopes. Give {member['user_id']} the role '{role}'?", consent)
        asked = {"workspaceId": home["id"], "userId": member["user_id"], "role": role, "wait": consent.wait}
        done = await self._client.change(documents.CHANGE_MEMBER_ROLE, "member", asked)
        return {**member_facts(done["member"], home["id"]), "effective_at": moment(done["effectiveAt"])}

    async def remove(self, account: str, workspace: str, consent: Consent) -> Facts | DryRun:
        check_rehearsed(consent)
        home = await workspace_to_change(self._client, workspace)
        member = await self._called(home, account)
        named = f"{member['email'] or member['name']}, {member['user_id']}"
        ask(f"Remove {named}, from the workspace {home['id']} '{home['name']}'?", consent)
        asked = {"workspaceId": home["id"], "userId": member["user_id"], "wait": consent.wait}
        gone = await self._client.change(documents.REMOVE_MEMBER, "member", asked)
        return {**member, "effective_at": moment(gone["effectiveAt"])}

    async def invitations(self, workspace: str) -> AsyncIterator[Facts]:
        home = await workspace_called(self._client, workspace)
        async for invitation in self._invitations(home):
            yield invitation

    async def withdraw(self, email: str, workspace: str, consent: Consent) -> Facts:
        home = await workspace_to_change(self._client, workspace)
        question = f"Take back the invitation of {email} to the workspace {home['id']} '{home['name']}'?"
        confirmed(question, yes=consent.yes)
        async for invitation in self._invitations(home):
            if str(invitation["email"]).casefold() == email.strip().casefold():
                await self._client.change(documents.WITHDRAW_INVITATION, "invitation", {"id": invitation["id"]})
                return invitation
        shows = f"'spacekey invitation list -w {home['slug']}' shows those that do."
        raise Failure(f"No invitation waits for {email}. {shows}")

    async def _members(self, home: Facts) -> AsyncIterator[Facts]:
        async for node in self._client.pages(documents.MEMBERS, ("workspace", "members"), id=home["id"]):
            yield member_facts(node, home["id"])

    async def _invitations(self, home: Facts) -> AsyncIterator[Facts]:
        async for node in self._client.pages(documents.INVITATIONS, ("workspace", "invitations"), id=home["id"]):
            yield invitation_facts(node, home["id"])

    async def _called(self, home: Facts, account: str) -> Facts:
        """Return the member with this id or proven address.

        :raises Failure: there is none; if there is an open invitation, says how to withdraw it.
        """
        asked = account.strip().casefold()
        async for member in self._members(home):
            proven = member["email"] if member["email_proven"] else None
            if account == member["user_id"] or (proven is not None and proven.casefold() == asked):
                return member
        async for one in self._invitations(home):
            if str(one["email"]).casefold() == asked:
                raise Failure(
                    f"{one['email']} is no member yet: an invitation as '{one['role']}' waits until "
                    f"{shown(one['expires_at'])}. "
                    f"Take it back with: spacekey invitation withdraw {one['email']} -w {home['slug']}"
                )
        slug = home["slug"]
        raise Failure(f"The account {account} is no member of '{slug}'. 'spacekey member list -w {slug}' shows them.")
