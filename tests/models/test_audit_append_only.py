"""Audit events are only ever added: the database itself refuses anything else."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from spacekey.models.audit import AuditEvent
from spacekey.models.store import POSTGRESQL, SQLITE, Store
from support.rows import add, an_event

CHANGES = {
    "update": "UPDATE audit_events SET actor_name = 'nobody'",
    "update of one column": "UPDATE audit_events SET after = NULL WHERE sequence = 1",
    "delete": "DELETE FROM audit_events WHERE sequence = 1",
}
REPLACE = "INSERT OR REPLACE INTO audit_events SELECT {columns} FROM audit_events WHERE sequence = 1"
COLUMNS = (
    "id, chain, sequence, at, action, outcome, 'usr_other', actor_name, credential, target_id, "
    '"before", "after", ip, user_agent, request_id, hash'
)


async def refused(store: Store, statement: str) -> None:
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        async with store.engine.begin() as connection:
            await connection.execute(text(statement))
    async with store.reading() as session:
        event = await session.get(AuditEvent, "evt_1")
        assert event is not None
        assert event.actor_name == "u@example.com"
        assert event.actor_id == "usr_x"


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
async def test_audit_events_are_neither_changed_nor_deleted(store: Store, statement: str) -> None:
    await add(store, an_event("ws_1", 1, id="evt_1"))
    await refused(store, statement)


@pytest.mark.parametrize("database_kind", [POSTGRESQL])
async def test_audit_events_are_not_truncated(store: Store) -> None:
    await add(store, an_event("ws_1", 1, id="evt_1"))
    await refused(store, "TRUNCATE audit_events")


@pytest.mark.parametrize("database_kind", [SQLITE])
@pytest.mark.parametrize(("old", "new"), [("id,", "'evt_2',"), ("sequence,", "2,")], ids=["same place", "same id"])
async def test_audit_events_are_not_replaced(store: Store, old: str, new: str) -> None:
    """INSERT OR REPLACE deletes the row in its way without asking the delete trigger."""
    await add(store, an_event("ws_1", 1, id="evt_1"))
    await refused(store, REPLACE.format(columns=COLUMNS.replace(old, new, 1)))
