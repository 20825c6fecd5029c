"""All tables at once: what the migrations must add up to."""

from __future__ import annotations

from . import audit, setting, token, usage, user, workspace
from .base import Row

metadata = Row.metadata
"""The schema as the code wants it. It is complete only here, where every module with a table is imported."""

TABLE_MODULES = (audit, setting, token, usage, user, workspace)
