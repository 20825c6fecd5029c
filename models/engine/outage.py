"""Messages for database outages: the problem and the remedy. They repeat nothing of the URL or the driver's error."""

from __future__ import annotations

import sqlite3

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_START = "start it, or correct SPACEKEY_DATABASE_URL"
_NO_ANSWER = ("the database does not answer", _START)
_TOO_SLOW = ("the database does not answer in time", "check whether it hangs or is overloaded")
_ALL_IN_USE = ("the database does not answer in time: every connection is in use", "check whether it hangs")

_TOO_MUCH = ("PostgreSQL has run out of memory, disk or connections", "free some, or raise its limits")
_DISK = ("PostgreSQL reports a disk or system error", "check its log")
_BUSY = ("another transaction holds a lock that this needs", "end that transaction, or try again")

_POSTGRES = {
    "08": _NO_ANSWER,
    "0A": ("PostgreSQL does not offer what Spacekey needs", "use PostgreSQL 14 or newer, and no statement pooling"),
    "22021": ("the database cannot store all text", "create it with ENCODING 'UTF8'"),
    "22P05": ("the database cannot store all text", "create it with ENCODING 'UTF8'"),
    "25006": (
        "PostgreSQL refuses to write: it is a standby, or read-only",
        "name the primary in SPACEKEY_DATABASE_URL, or set default_transaction_read_only=off",
    ),
    "26000": (
        "the prepared statement is gone: a pooler gave the connection to another client",
        "write pgbouncer=transaction in SPACEKEY_DATABASE_URL, or use session pooling",
    ),
    "42P05": (
        "the prepared statement already exists: a pooler got the connection from another client",
        "write pgbouncer=transaction in SPACEKEY_DATABASE_URL, or use session pooling",
    ),
    "25": ("the transaction was ended by the server or a pooler", "try again"),
    "28": (
        "PostgreSQL does not accept connections from this user",
        "check pg_hba.conf: it may require another user, sslmode=require, or a client certificate (sslcert, sslkey)",
    ),
    "28P01": ("PostgreSQL rejected this user or password", "correct them in SPACEKEY_DATABASE_URL"),
    "3D": (
        "PostgreSQL has no database of this name",
        "create it, or correct SPACEKEY_DATABASE_URL",
    ),
    "40": ("a concurrent change interfered", "try again"),
    "42501": ("PostgreSQL denies this user a permission that Spacekey needs", "GRANT it"),
    "42P01": ("a table is missing", "run 'spacekey migrate'"),
    "42703": ("a column is missing", "run 'spacekey migrate'"),
    "3F": ("the schema is missing", "correct search_path, or create it"),
    "53": _TOO_MUCH,
    "54": ("PostgreSQL refuses this as too large or too complex", "check its log"),
    "55": _BUSY,
    "57": ("PostgreSQL is starting or stopping, or ended the connection", "wait for it, or start it"),
    "58": _DISK,
    "F0": ("PostgreSQL's configuration is wrong", "check its log"),
    "HV": _DISK,
    "XX": ("PostgreSQL failed, or its files are damaged", "check its log"),
}
"""SQLSTATE, or its class in the first two characters (PostgreSQL, Appendix A) → the problem and the remedy."""

_POOLER = {
    "ssl required": ("the pooler accepts only TLS connections", "write sslmode=require, or verify-full"),
    "authentication failed": _POSTGRES["28P01"],
    "no such user": _POSTGRES["28P01"],
    "no such database": _POSTGRES["3D"],
}
"""Part of a PgBouncer message → the problem and the remedy. All of them have the SQLSTATE 08P01."""

_SQLITE = {
    "locked": ("another program has locked the SQLite file", "wait for it, or close it"),
    "busy": ("another program has locked the SQLite file", "wait for it, or close it"),
    "unable to open": (
        "the SQLite file cannot be opened",
        "SPACEKEY_DATABASE_URL must name a file, in an existing folder, that this user may read and write",
    ),
    "disk i/o": ("the disk of the SQLite file has failed", "check the system's log"),
    "closed": _NO_ANSWER,
    "readonly": ("the SQLite file cannot be written", "let this user write to the file and its folder"),
    "full": ("the disk of the SQLite file is full", "free some space"),
    "malformed": ("the SQLite file is damaged", "restore it from a backup"),
    "no such table": ("a table is missing", "run 'spacekey migrate'"),
    "not a database": (
        "the file is not an SQLite database, or is damaged",
        "restore it from a backup, or correct SPACEKEY_DATABASE_URL",
    ),
}
"""Part of an SQLite message → the problem and the remedy."""

BROKEN_CONSTRAINT = (sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError)
"""What the drivers raise for a change that breaks a constraint."""

# SQLAlchemy wraps the driver's errors, except while it prepares a connection that it has just opened.
BARE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def outage_of(error: Exception) -> str | None:
    """Return the problem, the kind of error and the remedy, or None if the error is a bug and not an outage.

    :param error: from SQLAlchemy, a driver or the system.
    """
    if isinstance(error, DBAPIError):
        told = _told(error.orig)
        if told is None and error.connection_invalidated:
            told = _NO_ANSWER
        return None if told is None else outage_text(told, error.orig)
    if isinstance(error, PoolTimeoutError):
        return outage_text(_ALL_IN_USE, error)
    if isinstance(error, TimeoutError):
        return outage_text(_TOO_SLOW, error)
    if isinstance(error, OSError):
        return outage_text(_NO_ANSWER, error)
    told = _told(error)
    if told is None and isinstance(error, BARE) and not is_bad_input(error):
        told = _NO_ANSWER
    return None if told is None else outage_text(told, error)


def lost(error: Exception) -> str:
    """Return the same for code that only runs one fixed statement, where any failure is an outage."""
    return outage_of(error) or outage_text(_NO_ANSWER, error)


def is_bad_input(error: BaseException) -> bool:
    """Return whether PostgreSQL refuses a value (SQLSTATE class 22, data exception)."""
    at_fault = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(at_fault, "sqlstate", None) or "").startswith("22")


def is_busy(error: DBAPIError) -> bool:
    """Return whether SQLite reports that another connection holds the lock."""
    return is_locked(error.orig)


def is_locked(error: BaseException | None) -> bool:
    """Return the same for the driver's own error."""
    return _told(error) in (_SQLITE["locked"], _SQLITE["busy"])


def _told(error: BaseException | None) -> tuple[str, str] | None:
    state = getattr(error, "sqlstate", None)
    if state == "22021" and "0x00" in str(error):
        return None  # a NUL, which PostgreSQL cannot store in any encoding: the input is at fault, not the database
    if state == "08P01":
        message = str(error).lower()
        return next((told for words, told in _POOLER.items() if words in message), _NO_ANSWER)
    if state is not None:
        return _POSTGRES.get(str(state)) or _POSTGRES.get(str(state)[:2])
    if isinstance(error, sqlite3.Error):
        message = str(error).lower()
        return next((told for words, told in _SQLITE.items() if words in message), None)
    return None


def outage_text(told: tuple[str, str], error: BaseException | None) -> str:
    """Return the problem and the remedy, with the kind of the error between them and nothing of its text."""
    what, remedy = told
    kind = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None) or type(error).__name__
    return f"{what} ({kind}); {remedy}"
