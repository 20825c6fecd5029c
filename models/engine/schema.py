"""The PostgreSQL schema of Spacekey's tables, if they are kept apart from an application's own.

Names are qualified in every statement. Nothing is set on a connection, so a pooler may hand it to another client at any
time, and an application's own ``search_path`` decides nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from spacekey.domain.errors import ConfigurationError
from spacekey.models.tables.base import SQLITE

NAME_LENGTH_MAX = 63
"""PostgreSQL cuts longer names off (NAMEDATALEN - 1)."""

_NAME = re.compile(rf"[a-z_][a-z0-9_]{{0,{NAME_LENGTH_MAX - 1}}}", re.ASCII)
_TABLE = re.compile(r"(?<![\w.\"'])spacekey_\w+", re.ASCII)
STATEMENTS_MAX = 1_024


def checked_schema(name: str | None, dialect: str) -> str | None:
    """Return the name of a schema; None stands for the one that the connection finds first.

    :raises ConfigurationError: if it is not a plain name, belongs to PostgreSQL itself, or the database is SQLite.
    """
    if name is None:
        return None
    if dialect == SQLITE:
        raise ConfigurationError("SQLite has no schemas; leave the schema out, or name a PostgreSQL database")
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(
            f"a schema is named by 1 to {NAME_LENGTH_MAX} lower-case letters, digits and underscores, "
            "beginning with a letter or underscore, like spacekey"
        )
    if name.startswith("pg_") or name == "information_schema":
        raise ConfigurationError("schemas named pg_… and information_schema belong to PostgreSQL; choose another name")
    return name


@lru_cache(STATEMENTS_MAX)
def qualified(statement: str, schema: str | None) -> str:
    """Return a statement of Spacekey's own with each table's name in its schema.

    :param statement: its text, in which ``spacekey_…`` is the name of a table. Values are bound, so it has no others.
    :param schema: a name that :func:`checked_schema` has returned; None returns the statement unchanged.
    """
    return statement if schema is None else _TABLE.sub(rf'"{schema}".\g<0>', statement)
