"""Members of workspaces and invitations in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from spacekey.domain.ids import USER, id_prefix
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.refusal import UserError
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.tables.records import AnyInvitation, InvitationRecord
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Member, Workspace
from spacekey.resolvers.addresses import clean_email, shown_account, shown_email
from spacekey.resolvers.members.invitations import withdraw_invitation
from spacekey.resolvers.members.members import (
    Invited,
    Membership,
    add_account,
    add_member,
    change_member_role,
    remove_member,
)
from spacekey.resolvers.system import System
from spacekey.resolvers.workspaces.lists import invitation_lists, member_list
from spacekey.server.cli.common.backend import Consent, DryRun
from spacekey.server.cli.common.consent import ask_first
from spacekey.server.cli.common.facts import invitation_facts, invited_facts, member_facts
from spacekey.server.cli.common.lookup import (
    account_called,
    every,
    proven_account,
    workspace_called,
    workspace_to_change,
)
from spacekey.server.cli.common.output import Facts, shown
from spacekey.server.cli.common.run import Failure, confirmed, operator
from spacekey.server.timestamps import written


class LocalMembers:
    """See :class:`spacekey.server.cli.common.backend.Members`."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def list(self, workspace: str) -> AsyncIterator[Facts]:
        found = await workspace_called(self._system, workspace)
        async for member, user in every(lambda page: member_list(self._system, operator(), found.id, page)):
            yield member_facts(member, user)

    async def show(self, account: str, workspace: str) -> Facts:
        return member_facts(*await self._called(await workspace_called(self._system, workspace), account))

    async def add(self, account: str, workspace: str, role: str, name: str | None) -> tuple[Facts, str | None]:
        system = self._system
        found = await workspace_to_change(system, workspace)
        made: Membership | Invited
        if id_prefix(account) == USER:
            user = await account_called(system, account)
            made = await add_account(system, operator(), found.id, user.id, role=role)
        else:
            await proven_account(system, account)
            made = await add_member(system, operator(), found.id, email=account, role=role, name=name)
        if isinstance(made, Membership):
            return member_facts(made.member, made.user), None
        return invited_facts(made.pending), made.invitation.reveal()

    async def set_role(self, account: str, workspace: str, role: str, consent: Consent) -> Facts | DryRun:
        system = self._system
        home = await workspace_to_change(system, workspace)
        _, user = await self._called(home, account)
        hits = await ask_first(
            system,
            home.id,
            lambda rehearsed: change_member_role(rehearsed, operator(), home.id, user.id, role=role, wait=False),
            f"Give {user.id} the role '{role}'?",
            consent,
        )
        if hits is not None:
            return hits
        made = await change_member_role(system, operator(), home.id, user.id, role=role, wait=consent.wait)
        return {**member_facts(made.member, made.user), "effective_at": written(made.effective_at)}

    async def remove(self, account: str, workspace: str, consent: Consent) -> Facts | DryRun:
        system = self._system
        home = await workspace_to_change(system, workspace)
        _, user = await self._called(home, account)
        hits = await ask_first(
            system,
            home.id,
            lambda rehearsed: remove_member(rehearsed, operator(), home.id, user.id, wait=False),
            f"Remove {shown_account(user)}, {user.id}, from the workspace {home.id} '{home.name}'?",
            consent,
            always=True,
        )
        if hits is not None:
            return hits
        gone = await remove_member(system, operator(), home.id, user.id, wait=consent.wait)
        return {**member_facts(gone.member, gone.user), "effective_at": written(gone.effective_at)}

    async def invitations(self, workspace: str) -> AsyncIterator[Facts]:
        found = await workspace_called(self._system, workspace)
        async for invitation in every(partial(self._waiting, found)):
            yield invitation_facts(invitation)

    async def withdraw(self, email: str, workspace: str, consent: Consent) -> Facts:
        home = await workspace_to_change(self._system, workspace)
        question = f"Take back the invitation of {email} to the workspace {home.id} '{home.name}'?"
        confirmed(question, yes=consent.yes)
        found = await self._invitation_of(home, email)
        if found is None:
            shows = f"'spacekey invitation list -w {home.slug}' shows those that do."
            raise Failure(f"No invitation waits for {email}. {shows}")
        await withdraw_invitation(self._system, operator(), found.id)
        return invitation_facts(found)

    async def _called(self, home: Workspace, account: str) -> tuple[Member, User]:
        """Return the membership that an argument names, and its account.

        :raises Failure: it is not a member, or was not found; if there is an open invitation, says how to withdraw it.
        """
        system = self._system
        waiting = None if id_prefix(account) == USER else await self._invitation_of(home, account)
        if waiting is not None and await proven_account(system, account) is None:
            raise Failure(_waits(home, waiting))
        found = await account_called(system, account)
        async with system.store.reading() as session:
            member = await workspace_queries.member(session, home.id, found.id)
        if member is not None:
            return member, found
        if waiting is not None:
            raise Failure(_waits(home, waiting))
        raise Failure(
            f"The account {found.id} is no member of '{home.slug}'. 'spacekey member list -w {home.slug}' shows them."
        )

    async def _invitation_of(self, home: Workspace, email: str) -> InvitationRecord | None:
        address = clean_email("email", email)
        async for invitation in every(partial(self._waiting, home)):
            if invitation.email == address:
                return invitation
        return None

    async def _waiting(self, home: Workspace, request: PageRequest) -> Page[InvitationRecord]:
        [page] = await invitation_lists(self._system, operator(), [home.id], request)
        if isinstance(page, UserError):
            raise page
        return page


def _waits(home: Workspace, invitation: AnyInvitation) -> str:
    email, until = shown_email(invitation.email), shown(written(invitation.expires_at))
    return (
        f"{email} is no member yet: an invitation as '{invitation.role}' waits until {until}. "
        f"Take it back with: spacekey invitation withdraw {email} -w {home.slug}"
    )
