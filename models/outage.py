"""What keeps a database from answering, in words that say what to do. Nothing of the URL or the error is repeated."""

from __future__ import annotations

import sqlite3

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_START = "start it, or correct SPACEKEY_DATABASE_URL"
_NO_ANSWER = ("the database does not answer", _START)
_TOO_SLOW = ("the database does not answer in time", "see whether it hangs or has too much to do")
_ALL_IN_USE = ("the database does not answer in time: every connection is in use", "see whether it hangs")

_POSTGRES = {
    "08": _NO_ANSWER,
    "28": (
        "PostgreSQL answers, and refuses this user or password",
        "correct them in SPACEKEY_DATABASE_URL, or let the user in",
    ),
    "3D": (
        "PostgreSQL answers, and has no database of this name",
        "create it, or correct SPACEKEY_DATABASE_URL",
    ),
    "40": ("another change came in between", "try again"),
    "42501": ("PostgreSQL answers, and does not allow this user what Spacekey needs", "GRANT it to them"),
    "53": ("PostgreSQL has run out of memory, disk or connections", "make room, or raise its limits"),
    "55P03": ("somebody else has locked what this needs", "end that long transaction, or try again"),
    "57": ("PostgreSQL is starting, stopping, or ended this", "wait for it, or start it"),
    "58": ("PostgreSQL has trouble with its disk or system", "look at its log"),
}
"""SQLSTATE, or the class its first two characters are (PostgreSQL, Appendix A) → what is wrong, and what to do."""

_SQLITE = {
    "locked": ("another program has locked the SQLite file", "let it end, or close it"),
    "busy": ("another program has locked the SQLite file", "let it end, or close it"),
    "unable to open": (
        "the SQLite file cannot be opened",
        "SPACEKEY_DATABASE_URL must name a file, in a folder that is there, that this user may read and write",
    ),
    "disk i/o": ("the disk under the SQLite file fails", "look at the system's log"),
    "closed": _NO_ANSWER,
    "readonly": ("the SQLite file cannot be written", "let this user write to the file and its folder"),
    "full": ("the disk under the SQLite file is full", "make room"),
    "malformed": ("the SQLite file is damaged", "restore it from a backup"),
    "not a database": (
        "the file is not an SQLite database, or is damaged",
        "restore it from a backup, or correct SPACEKEY_DATABASE_URL",
    ),
}
"""What SQLite's message contains → what is wrong, and what to do."""

# SQLAlchemy wraps what its driver raises, except while it prepares a connection that it has just opened.
BARE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def outage_of(error: Exception) -> str | None:
    """What is wrong, of what kind it is, and what to do; None for an error that is no outage but a bug.

    :param error: of SQLAlchemy, of a driver or of the system.
    """
    if isinstance(error, DBAPIError):
        told = _told(error.orig)
        if told is None and error.connection_invalidated:
            told = _NO_ANSWER
        return None if told is None else _text(told, error.orig)
    if isinstance(error, PoolTimeoutError):
        return _text(_ALL_IN_USE, error)
    if isinstance(error, TimeoutError):
        return _text(_TOO_SLOW, error)
    if isinstance(error, OSError):
        return _text(_NO_ANSWER, error)
    told = _told(error)
    if told is None and isinstance(error, BARE):
        told = _NO_ANSWER
    return None if told is None else _text(told, error)


def lost(error: Exception) -> str:
    """The same for what reads one statement and nothing else: whatever goes wrong there is an outage."""
    return outage_of(error) or _text(_NO_ANSWER, error)


def is_busy(error: DBAPIError) -> bool:
    """Whether SQLite says that somebody else has the lock."""
    return _told(error.orig) in (_SQLITE["locked"], _SQLITE["busy"])


def _told(error: BaseException | None) -> tuple[str, str] | None:
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return _POSTGRES.get(str(state)) or _POSTGRES.get(str(state)[:2])
    if isinstance(error, sqlite3.Error):
        message = str(error).lower()
        return next((told for words, told in _SQLITE.items() if words in message), None)
    return None


def _text(told: tuple[str, str], error: BaseException | None) -> str:
    what, remedy = told
    kind = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None) or type(error).__name__
    return f"{what} ({kind}); {remedy}"
