"""Schema version of a database, read from its version table without loading Alembic.

The version table is Spacekey's own, because an application that uses Alembic may share the database.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

VERSION_TABLE = "spacekey_alembic_version"
REVISION_SQL = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant

_REVISION = re.compile(r"\d{4}")
_SHOWN_MAX = 40


class SchemaState(StrEnum):
    """State of a database's schema, compared with this program's."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Schema:
    """Schema version found in a database.

    :param revision: from the version table; None if Spacekey has no such table there.
    :param old_names: whether the tables have the names from before Spacekey had a version table of its own.
    """

    state: SchemaState
    revision: str | None = None
    old_names: bool = False

    @property
    def problem(self) -> str | None:
        """Reason why this program cannot work with the schema, continuing "the database …", or None."""
        wanted = head()
        match self.state:
            case SchemaState.EMPTY:
                return "has no Spacekey tables yet"
            case SchemaState.OLDER if self.old_names:
                return f"is at revision {self.revision} with the table names of an earlier version"
            case SchemaState.OLDER:
                return f"is at revision {self.revision}, and this version needs {wanted}"
            case SchemaState.NEWER:
                return f"is at revision {self.revision}, and this program is older: it knows revisions up to {wanted}"
            case SchemaState.FOREIGN:
                return f"says in its table {VERSION_TABLE}: {self.revision}; that is no revision of Spacekey's"
            case SchemaState.CURRENT:
                return None

    @property
    def remedy(self) -> str:
        """Remedy for :attr:`problem`, as an imperative without a full stop."""
        match self.state:
            case SchemaState.NEWER:
                return "install the version of Spacekey that migrated this database, or a later one"
            case SchemaState.FOREIGN:
                return "restore that table, or name another database in SPACEKEY_DATABASE_URL"
            case _:
                return "run 'spacekey migrate'"


def head() -> str:
    """Return the newest revision in the code.

    :raises RuntimeError: the package was installed without its migrations.
    """
    folder = Path(__file__).parent / "versions"
    revisions = sorted(file.name[:4] for file in folder.glob("[0-9][0-9][0-9][0-9]_*.py"))
    if not revisions:
        raise RuntimeError("the package contains no migrations; reinstall it")
    return revisions[-1]


def schema_from(revisions: Sequence[str]) -> Schema:
    """Return the schema for the rows of the version table.

    :param revisions: all rows; none if the table is empty, as after a full downgrade.
    """
    newest = head()
    match list(revisions):
        case []:
            return Schema(SchemaState.EMPTY)
        case [revision] if revision == newest:
            return Schema(SchemaState.CURRENT, revision)
        case [revision] if _REVISION.fullmatch(revision) and revision != "0000":
            return Schema(SchemaState.NEWER if revision > newest else SchemaState.OLDER, revision)
    # The text is not Spacekey's own, and it goes to logs and terminals.
    return Schema(SchemaState.FOREIGN, ", ".join(repr(one[:_SHOWN_MAX]) for one in list(revisions)[:2]))
