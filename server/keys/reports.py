"""Usage and the audit log through ``Keys``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from spacekey.domain.page import AuditFilter
from spacekey.domain.refusal import UserError
from spacekey.resolvers.tokens.list import token_view
from spacekey.resolvers.tokens.usage import checked_days, unused_scopes, usage_by_day
from spacekey.resolvers.workspaces.figures import busiest_tokens, token_quotas, workspace_usage
from spacekey.resolvers.workspaces.lists import audit_list

from .inside import Inside, caller, every, token_id, workspace_id
from .records import (
    AuditEvent,
    Token,
    TokenQuota,
    TokenUsage,
    UsageDay,
    Workspace,
    day_of,
    event_of,
    token_of,
)

DAYS = 30
BUSIEST = 10


class Usage:
    """``keys.usage``: how much the tokens of a workspace are used, as ``keys.verifier`` and other verifiers counted it.

    Counts are written in batches every few seconds, so the last ones are missing.

    :param workspace: the workspace, as its record or its id.
    :param token: the token, as its record or its id.
    :param days: 1 to 366, today included.
    :param external_id: answers only if the token is this user's.
    """

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    async def of_token(
        self, workspace: Workspace | str, token: Token | str, *, days: int = DAYS, external_id: str | None = None
    ) -> list[UsageDay]:
        """Return a token's requests by day, oldest first. Days without requests are left out.

        :raises NotFound: if the workspace has no such token.
        """
        system, wanted = await self._inside.system(), token_id(token)
        await token_view(system, caller(workspace=workspace, external_id=external_id), wanted)
        found = await usage_by_day(system, [wanted], checked_days(days))
        return [day_of(one) for one in found.get(wanted, ())]

    async def of_workspace(self, workspace: Workspace | str, *, days: int = DAYS) -> list[UsageDay]:
        """Return a workspace's requests by day, oldest first; those of deleted tokens count too.

        :raises NotFound: if there is no such workspace.
        """
        system = await self._inside.system()
        [found] = await workspace_usage(system, caller(workspace=workspace), [workspace_id(workspace)], days)
        if isinstance(found, UserError):
            raise found
        return [day_of(one) for one in found]

    async def busiest(self, workspace: Workspace | str, *, days: int = DAYS, most: int = BUSIEST) -> list[TokenUsage]:
        """Return the tokens with the most requests, the busiest first. Tokens without requests are left out.

        :param most: at most so many, up to 100.
        :raises NotFound: if there is no such workspace.
        """
        system = await self._inside.system()
        [found] = await busiest_tokens(system, caller(workspace=workspace), [workspace_id(workspace)], days, most)
        if isinstance(found, UserError):
            raise found
        return [TokenUsage(token_of(one.view), one.usage.allowed, one.usage.denied, one.usage.limited) for one in found]

    async def unused_scopes(
        self, workspace: Workspace | str, token: Token | str, *, days: int = DAYS, external_id: str | None = None
    ) -> list[str]:
        """Return the scopes of a token that no request needed, sorted.

        :raises NotFound: if the workspace has no such token.
        """
        system, wanted = await self._inside.system(), token_id(token)
        view = await token_view(system, caller(workspace=workspace, external_id=external_id), wanted)
        return (await unused_scopes(system, [view], checked_days(days)))[view.token.id]

    async def quota(self, workspace: Workspace | str) -> TokenQuota:
        """Return how many tokens of the workspace count towards its plan.

        :raises NotFound: if there is no such workspace.
        """
        system = await self._inside.system()
        [found] = await token_quotas(system, caller(workspace=workspace), [workspace_id(workspace)])
        if isinstance(found, UserError):
            raise found
        return TokenQuota(found.used, found.most)


class Audit:
    """``keys.audit``: what was done in a workspace, by whom.

    :param workspace: the workspace, as its record or its id.
    """

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    async def list(
        self,
        workspace: Workspace | str,
        *,
        actor_id: str | None = None,
        target_id: str | None = None,
        action: str | None = None,
        outcome: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncIterator[AuditEvent]:
        """Yield the events of a workspace's audit log, the newest first, read page by page.

        :param actor_id: those of one actor, such as a user of yours.
        :param target_id: those about one token, space or workspace.
        :param action: those of one kind, such as ``token.revoke``.
        :param outcome: ``success``, ``denied`` or ``alert``.
        :param created_after: those at this time or later.
        :param created_before: those earlier than this time.
        :raises NotFound: if there is no such workspace.
        :raises InvalidInput: for a condition that no event can meet.
        """
        system, asking, home = await self._inside.system(), caller(workspace=workspace), workspace_id(workspace)
        where = AuditFilter(actor_id, target_id, action, outcome, created_after, created_before)
        async for row in every(lambda page: audit_list(system, asking, home, page, where)):
            yield event_of(row)
