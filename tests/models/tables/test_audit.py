"""Audit events are only ever added: the database itself refuses anything else."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from spacekey.models.engine.store import POSTGRESQL, SQLITE, Store
from spacekey.models.tables.audit import AuditEvent
from support.rows import add, an_event

CHANGES = {
    "update": "UPDATE spacekey_audit_events SET actor_name = 'nobody'",
    "update of one column": "UPDATE spacekey_audit_events SET after = NULL WHERE sequence = 1",
    "delete": "DELETE FROM spacekey_audit_events WHERE sequence = 1",
}
COLUMNS = ", ".join(f'"{column.name}"' for column in AuditEvent.__table__.columns)
REPLACE = f"""INSERT OR REPLACE INTO spacekey_audit_events ({COLUMNS})
    SELECT {{columns}} FROM spacekey_audit_events WHERE sequence = 1"""


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
    await refused(store, "TRUNCATE spacekey_audit_events")


@pytest.mark.parametrize("database_kind", [SQLITE])
@pytest.mark.parametrize(("old", "new"), [('"id"', "'evt_2'"), ('"sequence"', "2")], ids=["same place", "same id"])
async def test_audit_events_are_not_replaced(store: Store, old: str, new: str) -> None:
    """INSERT OR REPLACE deletes the row in its way without asking the delete trigger."""
    await add(store, an_event("ws_1", 1, id="evt_1"))
    await refused(store, REPLACE.format(columns=COLUMNS.replace('"actor_id"', "'usr_other'").replace(old, new, 1)))


ACTOR_PART = {"actor_name": "''", "ip": "''", "user_agent": "''", "actor_salt": "NULL", "actor_erased": "true"}
TARGET_PART = {"target_name": "''", "target_facts": "NULL", "target_salt": "NULL", "target_erased": "true"}
OTHERS = {
    "id": "'evt_2'",
    "chain": "'ws_2'",
    "sequence": "9",
    "at": "'2020-01-01 00:00:00'",
    "action": "'token.update'",
    "outcome": "'alert'",
    "actor_id": "'usr_y'",
    "credential": "'key_y'",
    "target_id": "'key_y'",
    "before": "NULL",
    "after": "'{}'",
    "request_id": "''",
    "version": "1",
    "actor_kind": "'token'",
    "actor_digest": "NULL",
    "target_digest": "NULL",
}


def quoted(values: dict[str, str]) -> str:
    return ", ".join(f'"{name}" = {value}' for name, value in values.items())


def whole_event(**given: object) -> AuditEvent:
    """An event of which every column holds something."""
    facts: dict[str, object] = {
        "id": "evt_1",
        "actor_kind": "person",
        "target_name": "bob@example.com",
        "target_facts": {"address": "bob@example.com"},
        "before": {"email": "bob@example.com", "role": "viewer"},
        "after": {"role": "admin"},
        "actor_salt": bytes(16),
        "actor_digest": bytes(32),
        "target_salt": bytes(16),
        "target_digest": bytes(32),
    }
    return an_event("ws_1", 1, **{**facts, **given})


async def change(store: Store, values: dict[str, str]) -> None:
    async with store.engine.begin() as connection:
        await connection.execute(text(f"UPDATE spacekey_audit_events SET {quoted(values)}"))


def test_every_column_stands_in_one_of_the_lists() -> None:
    columns = {column.name for column in AuditEvent.__table__.columns}
    assert columns == {*ACTOR_PART, *TARGET_PART, *OTHERS, "hash"}


@pytest.mark.parametrize("part", [ACTOR_PART, TARGET_PART, ACTOR_PART | TARGET_PART], ids=["actor", "target", "both"])
async def test_a_part_is_erased_once_and_nothing_else_with_it(store: Store, part: dict[str, str]) -> None:
    await add(store, whole_event())
    other_part = TARGET_PART if "target_name" not in part else ACTOR_PART if "actor_name" not in part else {}
    for name, value in {**OTHERS, **other_part, "hash": "actor_digest || target_digest"}.items():
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            await change(store, part | {name: value})
    for name in part:
        incomplete = {one: value for one, value in part.items() if one != name}
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            await change(store, incomplete)
    await change(store, part)
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        await change(store, part)
    for name in part:
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            await change(store, {name: "false" if name.endswith("erased") else "'\"x\"'"})


async def test_a_row_of_version_1_loses_its_targets_address_and_no_other_fact(store: Store) -> None:
    await add(store, whole_event(version=1))
    for name, value in {"before": "'{}'", "after": "NULL"}.items():
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            await change(store, TARGET_PART | {name: value})
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        await change(store, {"before": """'{"role": "viewer"}'"""})
    await change(store, TARGET_PART | {"before": """'{"role": "viewer"}'"""})


async def test_a_row_of_version_2_keeps_all_its_facts(store: Store) -> None:
    await add(store, whole_event())
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        await change(store, TARGET_PART | {"before": """'{"role": "viewer"}'"""})
