"""The audit log in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from spacekey.domain.page import AuditFilter, Page, PageRequest
from spacekey.models.queries.audit import audit_page
from spacekey.models.tables.audit import SYSTEM_CHAIN
from spacekey.models.tables.records import AuditRecord
from spacekey.resolvers.system import System
from spacekey.resolvers.workspaces.lists import check_audit_conditions
from spacekey.server.cli.common.backend import Values
from spacekey.server.cli.common.facts import audit_facts
from spacekey.server.cli.common.lookup import action_called, every, target_id, workspace_called
from spacekey.server.cli.common.output import Facts


class LocalAudit:
    """See :class:`spacekey.server.cli.common.backend.Audit`."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def list(self, workspace: str | None, conditions: Values) -> AsyncIterator[Facts]:
        chain = SYSTEM_CHAIN if workspace is None else (await workspace_called(self._system, workspace)).id
        checked = dict(conditions)
        if "target_id" in checked:
            checked["target_id"] = target_id(checked["target_id"])
        if "action" in checked:
            checked["action"] = action_called(checked["action"])
        where = AuditFilter(**checked)
        check_audit_conditions(where)

        async def page(request: PageRequest) -> Page[AuditRecord]:
            return await self._system.store.read(partial(audit_page, chain=chain, request=request, where=where))

        async for event in every(page):
            yield audit_facts(event)
