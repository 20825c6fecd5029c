"""Settings shared by all processes on one database."""

from __future__ import annotations

from sqlalchemy import Column, Float, String
from sqlmodel import Field

from .base import Row

MAX_STALENESS = "max_staleness_seconds"
"""T: how long a verification may be served from a cache. 0 turns caching off."""

STALENESS_WAIT = "staleness_wait_seconds"
"""How long a change that takes access away waits after its commit. Never below T, even while T is being changed."""

STALENESS_CHANGES = "staleness_changes"
"""Number of changes of T that have begun, so that a change overtaken by another one stops."""


class Setting(Row, table=True):
    """Number stored under a name."""

    __tablename__ = "spacekey_settings"

    name: str = Field(sa_column=Column(String(60), primary_key=True))
    value: float = Field(sa_column=Column(Float, nullable=False))
