"""SQL expressions for both databases: times before and after all others, and the UTC day of a time.

The two times are literals in the SQL text so that indexes over them match: with a bound parameter neither database
would recognize the index's expression. They come back in cursors, so both are within the range that drivers pass on
unchanged: asyncpg sends the first and last times of Python's calendar as infinities, which compare differently.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Date
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from .base import POSTGRESQL, SQLITE, UtcDateTime

FAR_PAST = {SQLITE: "'0002-01-01 00:00:00.000000'", POSTGRESQL: "'0002-01-01 00:00:00+00'::timestamptz"}
FAR_FUTURE = {SQLITE: "'9999-12-31 00:00:00.000000'", POSTGRESQL: "'9999-12-31 00:00:00+00'::timestamptz"}
"""The two times in the text of a statement, by dialect."""


class FarPast(ColumnElement[Any]):
    """Time before all others, in place of "never yet"."""

    inherit_cache = True
    type = UtcDateTime()


class FarFuture(ColumnElement[Any]):
    """Time after all others, in place of "never ends"."""

    inherit_cache = True
    type = UtcDateTime()


@compiles(FarPast)
def _past_in_sqlite(_edge: FarPast, _compiler: SQLCompiler, **_: object) -> str:
    return FAR_PAST[SQLITE]


@compiles(FarPast, "postgresql")
def _past_in_postgresql(_edge: FarPast, _compiler: SQLCompiler, **_: object) -> str:
    return FAR_PAST[POSTGRESQL]


@compiles(FarFuture)
def _future_in_sqlite(_edge: FarFuture, _compiler: SQLCompiler, **_: object) -> str:
    return FAR_FUTURE[SQLITE]


@compiles(FarFuture, "postgresql")
def _future_in_postgresql(_edge: FarFuture, _compiler: SQLCompiler, **_: object) -> str:
    return FAR_FUTURE[POSTGRESQL]


class UtcDay(FunctionElement[date]):
    """Date of a timezone-aware time in UTC, whatever the database session's time zone: ``UtcDay(moment)``."""

    inherit_cache = True
    type = Date()


@compiles(UtcDay, "sqlite")
def _sqlite(element: UtcDay, compiler: SQLCompiler, **options: object) -> str:
    return f"date({compiler.process(element.clauses, **options)})"


@compiles(UtcDay, "postgresql")
def _postgresql(element: UtcDay, compiler: SQLCompiler, **options: object) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AT TIME ZONE 'UTC' AS date)"
