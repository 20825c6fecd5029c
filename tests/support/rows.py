"""Rows for tests of the data layer: valid ones, of which a test changes what it is about."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.models.engine.store import Store
from spacekey.models.tables.audit import AuditEvent
from spacekey.models.tables.token import Token
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Space, Workspace

NOW = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)
_numbers = itertools.count(1)


def ago(**parts: float) -> datetime:
    """A moment before ``NOW``."""
    return NOW - timedelta(**parts)


def ahead(**parts: float) -> datetime:
    """A moment after ``NOW``."""
    return NOW + timedelta(**parts)


def a_number() -> int:
    """A number no other row of this run has."""
    return next(_numbers)


def a_user(**given: Any) -> User:
    """A user with an address of their own."""
    number = a_number()
    facts = {"id": f"usr_{number:026}", "email": f"u{number}@example.com", "name": f"User {number}", "created_at": NOW}
    return User(**{**facts, **given})


def a_workspace(**given: Any) -> Workspace:
    """A workspace with a slug of its own."""
    number = a_number()
    facts = {
        "id": f"ws_{number:026}",
        "name": f"Workspace {number}",
        "slug": f"w{number}",
        "product": "emit",
        "plan": "free",
        "created_at": NOW,
    }
    return Workspace(**{**facts, **given})


def a_space(workspace: Workspace, **given: Any) -> Space:
    """A space of the workspace."""
    number = a_number()
    facts = {
        "id": f"space_{number:026}",
        "workspace_id": workspace.id,
        "name": f"Space {number}",
        "slug": f"s{number}",
        "created_at": NOW,
    }
    return Space(**{**facts, **given})


def a_token(workspace: Workspace, space: Space | None = None, **given: Any) -> Token:
    """A token of the workspace or, when one is given, of the space."""
    number = a_number()
    facts = {
        "id": f"key_{number:026}",
        "digest": hashlib.sha256(str(number).encode()).digest(),
        "prefix": "sp_live_abcd",
        "name": f"Token {number}",
        "kind": "workspace" if space is None else "space",
        "environment": "live",
        "workspace_id": workspace.id,
        "space_id": None if space is None else space.id,
        "grants": ["jobs:read"],
        "created_at": NOW,
        "created_by_id": "usr_x",
        "created_by_name": "u@example.com",
    }
    return Token(**{**facts, **given})


def an_event(chain: str, sequence: int, **given: Any) -> AuditEvent:
    """An audit event at this place of a chain."""
    facts = {
        "id": f"evt_{a_number():026}",
        "chain": chain,
        "sequence": sequence,
        "at": NOW,
        "action": "token.create",
        "outcome": "success",
        "actor_id": "usr_x",
        "actor_name": "u@example.com",
        "credential": "session",
        "target_id": "key_x",
        "ip": "192.0.2.1",
        "user_agent": "tests",
        "request_id": "r1",
        "hash": bytes(32),
    }
    return AuditEvent(**{**facts, **given})


async def add(store: Store, *rows: Any) -> None:
    """Put the rows into the store, in this order."""
    async with store.changing() as session:
        for row in rows:
            session.add(row)
            await session.flush()


async def users_by_ids(session: AsyncSession, ids: Iterable[str]) -> list[User]:
    """Return the accounts that exist among these, in no order."""
    return list((await session.exec(select(User).where(col(User.id).in_(set(ids))))).all())
