"""Installations from before the tables were named ``spacekey_…``: recognizing and renaming them.

Such an installation is recognized by its tables, each with all of its columns. The row in ``alembic_version`` proves
nothing: another application in the same database may have written it.
"""

from __future__ import annotations

from sqlalchemy import Connection, Inspector, inspect, text

PREFIX = "spacekey_"
OLD_VERSION_TABLE = "alembic_version"

_FIRST = {
    "users": "id email name password_hash created_at",
    "user_sessions": "digest id user_id created_at last_seen_at expires_at ip user_agent",
    "workspaces": "id name slug catalog plan roles lifetime_seconds_max lifetime_seconds_default expiry_required "
    "scopes_allowed per_minute burst created_at suspended_at deleted_at",
    "invitations": "digest id user_id workspace_id role invited_by created_at expires_at used_at",
    "spaces": "id workspace_id name slug created_at deleted_at",
    "members": "workspace_id user_id role created_at",
    "tokens": "id digest prefix name description kind environment workspace_id space_id grants created_at "
    "created_by_id created_by_name expires_at disabled_at revoked_at revoked_reason deleted_at rotated_from_id "
    "rotated_to_id retires_at first_use_retires last_used_at last_used_ip",
    "token_first_uses": "token_id at",
    "usage_hours": "token_id hour allowed denied limited",
    "scope_uses": "token_id scope last_used_at",
    "audit_chains": "chain sequence hash",
    "audit_events": "id chain sequence at action outcome actor_id actor_name credential target_id before after ip "
    "user_agent request_id hash",
    "settings": "name value",
}
_SECOND = {"usage_reporters": "id number seen_at"}
"""Tables of revisions 0001 and 0002 with their columns, each after the tables that it refers to."""


def old_revision(connection: Connection) -> str | None:
    """Return the revision of the tables under their old names, or None if they are not all present."""
    found = inspect(connection)
    if not _holds(found, _FIRST):
        return None
    return "0002" if _holds(found, _SECOND) else "0001"


def tables_of(revision: str) -> tuple[str, ...]:
    """Return the old table names of a revision from :func:`old_revision`, each after the tables that it refers to."""
    return (*_FIRST, *(_SECOND if revision == "0002" else ()))


def rename_in_postgresql(connection: Connection, revision: str) -> None:
    """Rename tables, constraints, indexes, trigger and function. Rows are not changed."""
    for table in tables_of(revision):
        new = PREFIX + table
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {new}"))
        named = "SELECT conname FROM pg_constraint WHERE conrelid = CAST(:table AS regclass) ORDER BY conname"
        for name in connection.execute(text(named), {"table": new}).scalars().all():
            if (own := _new_name(name, table)) is not None:
                connection.execute(text(f"ALTER TABLE {new} RENAME CONSTRAINT {name} TO {own}"))
        indexes = (
            "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = :table "
            "ORDER BY indexname"
        )
        for name in connection.execute(text(indexes), {"table": new}).scalars().all():
            if (own := _new_name(name, table)) is not None:
                connection.execute(text(f"ALTER INDEX {name} RENAME TO {own}"))
    old = "audit_events_append_only"
    connection.execute(text(f"ALTER TRIGGER {old} ON {PREFIX}audit_events RENAME TO {PREFIX}{old}"))
    connection.execute(text(f"ALTER FUNCTION {old}() RENAME TO {PREFIX}{old}"))


def copy_in_sqlite(connection: Connection, revision: str) -> None:
    """Copy every row into the new, empty tables, and drop the old ones.

    SQLite cannot rename a constraint, and a later migration can only change constraints by name.
    """
    # Tokens refer to each other; every reference is checked at the commit.
    connection.execute(text("PRAGMA defer_foreign_keys=ON"))
    tables = tables_of(revision)
    for table in tables:
        columns = ", ".join(f'"{one}"' for one in {**_FIRST, **_SECOND}[table].split())
        copied = f"INSERT INTO {PREFIX}{table} ({columns}) SELECT {columns} FROM {table}"
        connection.execute(text(copied))
    for table in reversed(tables):
        connection.execute(text(f"DROP TABLE {table}"))


def remove_old_version(connection: Connection, revision: str) -> None:
    """Remove Spacekey's row from ``alembic_version``, and the table if it is empty then.

    If other applications' tables are present the row stays: it may be theirs, and an application whose row is gone
    would start its migrations over.
    """
    found = inspect(connection)
    if not found.has_table(OLD_VERSION_TABLE):
        return
    others = [one for one in found.get_table_names() if one != OLD_VERSION_TABLE and not one.startswith(PREFIX)]
    if others:
        return
    delete = f"DELETE FROM {OLD_VERSION_TABLE} WHERE version_num = :revision"
    connection.execute(text(delete), {"revision": revision})
    count = f"SELECT count(*) FROM {OLD_VERSION_TABLE}"
    if connection.execute(text(count)).scalar_one() == 0:
        connection.execute(text(f"DROP TABLE {OLD_VERSION_TABLE}"))


def _holds(found: Inspector, tables: dict[str, str]) -> bool:
    return all(
        found.has_table(table) and {column["name"] for column in found.get_columns(table)} == set(columns.split())
        for table, columns in tables.items()
    )


def _new_name(name: str, table: str) -> str | None:
    """Return the new name of a table's constraint or index; None for one that Spacekey did not name."""
    kind, _, rest = name.partition("_")
    return f"{kind}_{PREFIX}{rest}" if kind in {"pk", "uq", "fk", "ck", "ix"} and rest.startswith(table) else None
