"""Metadata of all tables, which the migrations must add up to."""

from __future__ import annotations

from . import audit, idempotency, identity, mail, portal, service, setting, token, usage, user, workspace
from .base import Row

metadata = Row.metadata
"""The schema that the code requires. It is complete only here, because this module imports every table."""

TABLE_MODULES = (audit, idempotency, identity, mail, portal, service, setting, token, usage, user, workspace)
