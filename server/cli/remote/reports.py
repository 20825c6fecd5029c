"""The audit log and usage on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from spacekey.domain.refusal import NotFound
from spacekey.server.cli.common.backend import Values
from spacekey.server.cli.common.output import Facts

from . import documents
from .client import Client
from .facts import event_facts, token_facts, usage_facts
from .places import only_on_the_database, workspace_called

FILTERS = {
    "actor_id": "actorId",
    "target_id": "targetId",
    "created_after": "createdAfter",
    "created_before": "createdBefore",
}


class RemoteAudit:
    """See :class:`spacekey.server.cli.common.backend.Audit`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(self, workspace: str | None, conditions: Values) -> AsyncIterator[Facts]:
        if workspace is None:
            raise only_on_the_database("--system")
        home = await workspace_called(self._client, workspace)
        where = {FILTERS.get(name, name): _value(name, value) for name, value in conditions.items()}
        path = ("workspace", "auditLog")
        async for node in self._client.pages(documents.EVENTS, path, id=home["id"], filter=where):
            yield event_facts(node, home["id"])


class RemoteUsage:
    """See :class:`spacekey.server.cli.common.backend.Usage`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def of_token(self, token: str, days: int) -> list[Facts]:
        found = (await self._client.query(documents.USAGE_BY_ID, id=token, days=days))["token"]
        if found is None:
            raise NotFound("token")
        return [{"day": one["day"], **usage_facts(one)} for one in found["usage"]]

    async def of_workspace(self, workspace: str, days: int) -> list[Facts]:
        home = await workspace_called(self._client, workspace)
        found = (await self._client.query(documents.USAGE_OF_WORKSPACE, id=home["id"], days=days))["workspace"]
        return [{"day": one["day"], **usage_facts(one)} for one in found["usage"]]

    async def busiest(self, workspace: str, days: int, most: int) -> list[Facts]:
        home = await workspace_called(self._client, workspace)
        found = await self._client.query(documents.BUSIEST, id=home["id"], days=days, most=most)
        return [
            {
                **token_facts(one["token"]),
                "requests": one["allowed"] + one["denied"] + one["rateLimited"],
                **usage_facts(one),
            }
            for one in found["workspace"]["busiestTokens"]
        ]


def _value(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).upper().replace(".", "_") if name in ("outcome", "action") else value
