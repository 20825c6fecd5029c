"""Moments before and after all others, written into SQL so that indexes over them match.

A bound parameter would not do: neither database would see that the expression is the one in the index. They come back
in cursors, so both lie inside what drivers take at their word: asyncpg sends the very first and last moments of
Python's calendar as infinities, which compare differently.
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
"""The same in the text of a statement, by dialect."""


class FarPast(ColumnElement[Any]):
    """Stands in for "never yet"."""

    inherit_cache = True
    type = UtcDateTime()


class FarFuture(ColumnElement[Any]):
    """Stands in for "never ends"."""

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
    """``UtcDay(moment)``: the date of a timezone-aware moment in UTC, whatever the database session's zone."""

    inherit_cache = True
    type = Date()


@compiles(UtcDay, "sqlite")
def _sqlite(element: UtcDay, compiler: SQLCompiler, **options: object) -> str:
    return f"date({compiler.process(element.clauses, **options)})"


@compiles(UtcDay, "postgresql")
def _postgresql(element: UtcDay, compiler: SQLCompiler, **options: object) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AT TIME ZONE 'UTC' AS date)"
