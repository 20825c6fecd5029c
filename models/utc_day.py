"""The UTC day of a moment, in SQL."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Date
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


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
