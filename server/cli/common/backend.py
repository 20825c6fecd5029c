"""What the commands ask of Spacekey: a database answers (:mod:`.local`), or a server (:mod:`.remote`).

Both take what was typed and return the same JSON values. Conditions, changes and fields are passed by name, and what is
left out is not there.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from .output import Facts

Values: TypeAlias = Mapping[str, Any]
Ending: TypeAlias = Literal["disable", "revoke", "delete"]


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a change that takes access away may be made.

    :param yes: do not ask.
    :param dry_run: only say what would happen.
    :param wait: whether to answer only once the change holds everywhere.
    """

    yes: bool = False
    dry_run: bool = False
    wait: bool = True


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a change would take away, as JSON values and as sentences. Nothing was changed."""

    facts: Facts
    sentences: tuple[str, ...]


class Workspaces(Protocol):
    """The workspaces that the caller may see."""

    def list(self, external_id: str | None = None) -> AsyncIterator[Facts]:
        """Yield all workspaces by name.

        :param external_id: only those with this external id, at most one of each product.
        """

    async def show(self, workspace: str) -> Facts:
        """Return the workspace with this slug or id.

        :raises Failure: it was not found.
        """

    async def create(self, slug: str, product: str, fields: Values) -> tuple[Facts, str | None]:
        """Create a workspace. Return it, and the code of an invitation for its owner if one was made.

        :param fields: ``name``, ``plan``, ``owner``, ``take_resting_slug``, ``external_id``.
        """

    async def edit(
        self, workspace: str, changes: Values, question: str | None, consent: Consent, *, always: bool = False
    ) -> Facts | DryRun:
        """Change a workspace and return it.

        :param changes: fields of :class:`spacekey.resolvers.workspaces.workspaces.WorkspaceChanges`.
        :param question: None for changes that take nothing away.
        :param always: ask although nothing works less afterwards.
        """

    async def delete(self, workspace: str, consent: Consent) -> Facts | DryRun:
        """Delete a workspace and return what it was."""

    def roles(self, workspace: str) -> AsyncIterator[Facts]:
        """Yield the roles that the workspace's members and tokens can hold, by name."""

    async def set_role(self, workspace: str, role: str, fields: Values, consent: Consent) -> Facts | DryRun:
        """Define a role, or remove it if ``grants`` is None.

        :param fields: ``grants``, ``title``, ``description``.
        """


class Spaces(Protocol):
    """The spaces of workspaces. A space is named by its id, or by its slug in a workspace."""

    def list(self, workspace: str, external_id: str | None = None) -> AsyncIterator[Facts]:
        """Yield a workspace's spaces by name.

        :param external_id: only the one with this external id.
        """

    async def show(self, space: str, workspace: str | None) -> Facts:
        """Return a space.

        :raises Failure: it was not found.
        """

    async def create(self, slug: str, workspace: str, name: str, external_id: str | None = None) -> Facts:
        """Create a space and return it."""

    async def edit(self, space: str, workspace: str | None, changes: Values) -> Facts:
        """Change a space's ``name``, ``slug`` or ``external_id`` and return it."""

    async def delete(self, space: str, workspace: str | None, consent: Consent) -> Facts | DryRun:
        """Delete a space and return what it was."""


class Members(Protocol):
    """The members of workspaces, and invitations."""

    def list(self, workspace: str) -> AsyncIterator[Facts]:
        """Yield a workspace's members."""

    async def show(self, account: str, workspace: str) -> Facts:
        """Return a member.

        :param account: an account's id, or the address that it has proven.
        :raises Failure: there is no such member.
        """

    async def add(self, account: str, workspace: str, role: str, name: str | None) -> tuple[Facts, str | None]:
        """Add a member, or make an invitation; return it, and the invitation's code."""

    async def set_role(self, account: str, workspace: str, role: str, consent: Consent) -> Facts | DryRun:
        """Give a member another role and return the member."""

    async def remove(self, account: str, workspace: str, consent: Consent) -> Facts | DryRun:
        """Remove a member and return who it was."""

    def invitations(self, workspace: str) -> AsyncIterator[Facts]:
        """Yield the invitations that were not accepted yet, newest first."""

    async def withdraw(self, email: str, workspace: str, consent: Consent) -> Facts:
        """Withdraw an invitation and return it.

        :raises Failure: there is none for this address.
        """


class Tokens(Protocol):
    """Tokens, each named by its id."""

    def list(self, conditions: Values, workspace: str | None, space: str | None) -> AsyncIterator[Facts]:
        """Yield tokens, newest first.

        :param conditions: fields of :class:`spacekey.resolvers.tokens.list.TokenSearch`.
        :param workspace: None for all that the caller may see.
        :param space: only its tokens.
        """

    async def count(self, conditions: Values, workspace: str, space: str | None) -> Facts:
        """Return the ``count`` of tokens in a workspace, and its ``precision``: ``exact`` or ``at_least``."""

    async def quota(self, workspace: str) -> Facts:
        """Return how many tokens are ``used`` of those that a workspace's plan includes, and ``max`` or None."""

    def inactive(self, days: int, workspace: str | None) -> AsyncIterator[Facts]:
        """Yield active tokens, unused ones first, with ``finding``, ``unused_scopes`` and ``age_days``."""

    async def show(self, token: str) -> Facts:
        """Return a token."""

    async def create(self, name: str, workspace: str, space: str | None, fields: Values) -> tuple[Facts, str]:
        """Create a token; return it and its secret.

        :param fields: ``grants``, ``preset``, ``description``, ``environment``, ``expires_at``, ``external_id``,
            ``metadata``.
        """

    async def edit(self, token: str, changes: Values, consent: Consent) -> Facts | DryRun:
        """Change a token and return it.

        :param changes: fields of :class:`spacekey.resolvers.tokens.update.TokenChanges`.
        """

    async def rotate(self, token: str, fields: Values, consent: Consent) -> tuple[Facts, str] | DryRun:
        """Make a successor; return it and its secret.

        :param fields: ``grace_seconds``, ``retire_on_first_use``, ``expires_at``.
        """

    async def end(self, token: str, how: Ending, reason: str | None, consent: Consent) -> Facts | DryRun:
        """Disable, revoke or delete a token, and return it."""

    def import_(
        self, lines: AsyncIterable[bytes], workspace: str, format_name: str, *, dry_run: bool
    ) -> AsyncIterator[Facts]:
        """Import the keys of NDJSON lines.

        Yields what became of each: ``row``, ``outcome``, ``name``, ``id`` and ``reason``.
        """

    async def enable(self, token: str) -> Facts:
        """Accept a disabled token again, and return it."""

    async def describe_secret(self, secret: str) -> Facts:
        """Return whether a secret is accepted, why not, and whose it is."""


class Audit(Protocol):
    """The audit log."""

    def list(self, workspace: str | None, conditions: Values) -> AsyncIterator[Facts]:
        """Yield events, newest first.

        :param workspace: None for those of no workspace.
        :param conditions: fields of :class:`spacekey.domain.page.AuditFilter`.
        """


class Usage(Protocol):
    """How much tokens are used."""

    async def of_token(self, token: str, days: int) -> list[Facts]:
        """Return the days with requests, oldest first."""

    async def of_workspace(self, workspace: str, days: int) -> list[Facts]:
        """Return the days with requests by any token of a workspace, oldest first."""

    async def busiest(self, workspace: str, days: int, most: int) -> list[Facts]:
        """Return the tokens with the most requests, the busiest first, with how many they were."""


class Backend(Protocol):
    """Everything that commands ask."""

    @property
    def workspaces(self) -> Workspaces:
        """Workspaces and their roles."""

    @property
    def spaces(self) -> Spaces:
        """Spaces."""

    @property
    def members(self) -> Members:
        """Members and invitations."""

    @property
    def tokens(self) -> Tokens:
        """Tokens."""

    @property
    def audit(self) -> Audit:
        """The audit log."""

    @property
    def usage(self) -> Usage:
        """Usage."""
