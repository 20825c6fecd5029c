"""A whole system for tests: real store, example products, a clock that stands still until it is moved."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from spacekey import examples
from spacekey.domain.principal import Principal
from spacekey.domain.product import Product
from spacekey.domain.product_file import load_products
from spacekey.domain.secret import Secret
from spacekey.middleware.graphql import ScopedSchema
from spacekey.models.engine.store import Store
from spacekey.models.tables.user import User
from spacekey.models.tables.workspace import Space, Workspace
from spacekey.resolvers.access.caller import Caller, MemberCaller, Operator, RequestFacts, caller_of
from spacekey.resolvers.accounts.sessions import SignedIn
from spacekey.resolvers.accounts.users import create_user
from spacekey.resolvers.addresses import shown_account
from spacekey.resolvers.members.members import add_member
from spacekey.resolvers.passwords.hashing import Passwords
from spacekey.resolvers.system import System, WorkspaceCreation
from spacekey.resolvers.throttle import Attempts
from spacekey.resolvers.workspaces.spaces import create_space
from spacekey.resolvers.workspaces.workspaces import create_workspace
from spacekey.schema.context import context_of

PASSWORD = "seven wooden boats at noon"
FACTS = RequestFacts(ip="192.0.2.7", user_agent="tests/1", request_id="req-test")
OPERATOR = Operator(RequestFacts())
EXAMPLES = Path(examples.__file__ or "").parent


class StoppedClock:
    """Says the same moment until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 6, 1, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        """Move the clock by ``timedelta(**span)``."""
        self.now += timedelta(**span)


@cache
def _products() -> dict[str, Product]:
    return load_products(sorted(EXAMPLES.glob("*.toml")))


def example_products() -> dict[str, Product]:
    """The four example systems' products by name."""
    return dict(_products())


@dataclass
class Jar:
    """A cookie jar of one request: what the HTTP side would keep."""

    secret: Secret | None = None
    opened: SignedIn | None = None
    closed: bool = False

    def open(self, signed_in: SignedIn) -> None:
        """Keep the new session."""
        self.opened = signed_in

    def close(self) -> None:
        """Forget the session."""
        self.closed = True

    async def page_after(self, issuer: str | None) -> str | None:
        """No page besides the dashboard's."""
        return None


@dataclass
class World:
    """A system and short ways to fill it."""

    system: System
    clock: StoppedClock
    naps: list[float] = field(default_factory=list)

    async def user(self, email: str) -> MemberCaller:
        """A person with a password, as a caller."""
        made: User = await create_user(self.system, OPERATOR, email=email, name=email.split("@")[0], password=PASSWORD)
        return MemberCaller(made.id, shown_account(made), FACTS)

    async def workspace(self, product: str, *, plan: str | None = None, slug: str | None = None) -> Workspace:
        """A workspace without members; on the product's default plan unless said otherwise."""
        name = slug or f"{product}-{secrets.token_hex(4)}"
        return await create_workspace(self.system, OPERATOR, name=name, slug=name, product=product, plan=plan)

    async def member(self, workspace: Workspace, role: str, email: str | None = None) -> MemberCaller:
        """A new person with a role in the workspace."""
        caller = await self.user(email or f"{role}-{secrets.token_hex(4)}@example.com")
        await add_member(self.system, OPERATOR, workspace.id, email=caller.name, role=role)
        return caller

    async def space(self, workspace: Workspace, slug: str = "main") -> Space:
        """A space in the workspace."""
        return await create_space(self.system, OPERATOR, workspace.id, name=slug, slug=slug)

    async def ask(
        self,
        schema: ScopedSchema,
        document: str,
        *,
        caller: Caller | None = None,
        principal: Principal | None = None,
        variables: Mapping[str, Any] | None = None,
        jar: Jar | None = None,
    ) -> dict[str, Any]:
        """Run one GraphQL operation and give its response map, errors included."""
        who = caller if caller is not None or principal is None else caller_of(principal, FACTS)
        context = context_of(self.system, principal, who, FACTS, jar or Jar())
        result = await schema.execute(document, dict(variables or {}), context_value=context)
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
            assert all((error.extensions or {}).get("code") for error in result.errors), "each error has a code"
        return answer


def make_world(store: Store, *, staleness_seconds: float = 0.0, clock: StoppedClock | None = None) -> World:
    """A world on a migrated, empty store. Password hashing is as cheap as it can be; sleeps are noted, not slept."""
    stopped = clock or StoppedClock()
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    system = System(
        store=store,
        products=example_products(),
        clock=stopped,
        entropy=secrets.token_bytes,
        passwords=Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)),
        attempts=Attempts(),
        sleep=nap,
        default_staleness_seconds=staleness_seconds,
        workspace_creation=WorkspaceCreation(by_members=True, owned_max=1_000),
    )
    return World(system, stopped, naps)
