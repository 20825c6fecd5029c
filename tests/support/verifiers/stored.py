"""Every verifier over a store, behind the contract's workbench: embedded on each database, and a remote server."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import httpx
from sqlalchemy import text

from spacekey.domain.authentication import Reason
from spacekey.domain.clock import utc_now
from spacekey.domain.ids import KEY, new_id
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.product_file import load_products
from spacekey.domain.secret import Secret, mint
from spacekey.domain.verifier import Verifier
from spacekey.middleware.verifiers.remote import RemoteVerifier
from spacekey.models.engine.store import Store
from spacekey.models.lookup.facts import TokenFacts, TokenLookup
from spacekey.models.tables.setting import MAX_STALENESS, STALENESS_WAIT, Setting
from spacekey.models.tables.token import Token
from spacekey.models.tables.workspace import Space, Workspace
from spacekey.resolvers.services import create_service
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.server.build import build_system, build_verifier
from spacekey.server.database_verifier import DatabaseVerifier
from spacekey.server.http.authorize import AppVerifier
from spacekey.server.settings import Settings
from support.server import on_a_socket
from support.verifiers.contract import SECRET_PREFIX, SPACE_ID, WORKSPACE_ID, Workbench
from support.world import OPERATOR

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
PRODUCT = f"""
name = "contract"
title = "Contract"
description = "For the verifiers' contract."
secret_prefix = "{SECRET_PREFIX}"
environments = ["live", "test"]
default_plan = "limited"

[tokens]
kinds = ["space", "workspace"]

[scopes]
"jobs:create" = "Create"
"jobs:read" = "Read"
"jobs:ack" = "Acknowledge"

[roles.owner]
title = "Owner"
description = "Everything"
every_scope = true
every_management_scope = true

[plans.limited]
title = "Limited"
per_minute = 100
burst = 20

[plans.unlimited]
title = "Unlimited"
"""


class Counting:
    """A lookup that counts."""

    def __init__(self, lookup: TokenLookup) -> None:
        self._lookup = lookup
        self.reads = 0

    async def by_digest(self, digest: bytes) -> TokenFacts | None:
        """The lookup's own."""
        self.reads += 1
        return await self._lookup.by_digest(digest)

    async def by_digests(self, digests: Sequence[bytes]) -> dict[bytes, TokenFacts]:
        """The lookup's own."""
        self.reads += 1
        return await self._lookup.by_digests(digests)

    async def aclose(self) -> None:
        """The lookup's own."""
        await self._lookup.aclose()


class OverStore(Workbench):
    """Rows for the workspace and the space of the contract. T is 0, so that the next verification sees a change."""

    def __init__(self, store: Store, product: Path, servers: ExitStack) -> None:
        self.store = store
        self.product = product
        self.servers = servers

    async def prepare(self) -> None:
        """An empty workspace with one space."""
        async with self.store.changing() as session:
            session.add_all(Setting(name=name, value=0.0) for name in (MAX_STALENESS, STALENESS_WAIT))
            session.add(
                Workspace(
                    id=WORKSPACE_ID,
                    name="w",
                    slug="w",
                    product="contract",
                    plan="limited",
                    roles={},
                    created_at=LONG_AGO,
                )
            )
        async with self.store.changing() as session:
            session.add(Space(id=SPACE_ID, workspace_id=WORKSPACE_ID, name="s", slug="s", created_at=LONG_AGO))

    async def issue(self, principal: Principal) -> Secret:
        secret = mint(SECRET_PREFIX, principal.environment or "live", secrets.token_bytes)
        plan = "unlimited" if principal.rate_limit is None else "limited"
        async with self.store.changing() as session:
            await (await session.connection()).execute(
                text("UPDATE spacekey_workspaces SET plan = :plan"), {"plan": plan}
            )
            session.add(
                Token(
                    id=new_id(KEY, utc_now(), secrets.token_bytes),
                    digest=secret.digest(),
                    prefix=secret.reveal()[:12],
                    name=principal.name,
                    kind=Kind(principal.kind).value,
                    environment=principal.environment or "live",
                    workspace_id=WORKSPACE_ID,
                    space_id=principal.space_id,
                    grants=sorted(principal.scopes),
                    created_at=LONG_AGO,
                    created_by_id="operator",
                    created_by_name="operator",
                    expires_at=principal.expires_at,
                )
            )
        return secret

    async def refuse(self, secret: Secret, reason: Reason) -> None:
        column = {Reason.REVOKED: "revoked_at", Reason.DISABLED: "disabled_at", Reason.DELETED: "deleted_at"}.get(
            reason
        )
        table, where = ("tokens", " WHERE digest = :digest") if column else ("workspaces", "")
        change = f"spacekey_{table} SET {column or 'suspended_at'} = :at{where}"
        facts = {"digest": secret.digest()} if column else {}
        at = utc_now() if self.store.dialect != "sqlite" else utc_now().strftime("%Y-%m-%d %H:%M:%S.%f")
        async with self.store.changing() as session:
            await (await session.connection()).execute(text(f"UPDATE {change}"), {"at": at, **facts})

    async def outage(self) -> None:
        async with self.store.changing() as session:
            await (await session.connection()).execute(text("ALTER TABLE spacekey_tokens RENAME TO gone"))


class Stored(OverStore):
    """What Spacekey's server itself asks."""

    of: ClassVar[type[Verifier]] = LookupVerifier

    async def prepare(self) -> None:
        await super().prepare()
        verifier = build_verifier(self.store, load_products([self.product]), utc_now, 0.0)
        self.count(verifier)
        self.verifier = verifier

    def count(self, verifier: LookupVerifier) -> None:
        """Count what it reads."""
        self.lookup = verifier._lookup = Counting(verifier._lookup)

    def reads(self) -> int:
        return self.lookup.reads


class Embedded(Stored):
    """What an app over the same database asks."""

    of: ClassVar[type[Verifier]] = DatabaseVerifier

    async def prepare(self) -> None:
        await OverStore.prepare(self)
        url = self.store.url.render_as_string(hide_password=False)
        verifier = DatabaseVerifier(url, [self.product], collect_usage=False)
        self.count(verifier._asking)
        self.verifier = verifier


class ForProxies(Stored):
    """What the server asks for a proxy."""

    of: ClassVar[type[Verifier]] = AppVerifier

    async def prepare(self) -> None:
        await OverStore.prepare(self)
        verifier = build_verifier(self.store, load_products([self.product]), utc_now, 0.0)
        self.count(verifier)
        self.verifier = AppVerifier(verifier)


class CountingTransport(httpx.AsyncHTTPTransport):
    """Real connections, counted requests."""

    requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return await super().handle_async_request(request)


class Remote(OverStore):
    """What an app asks that has a server elsewhere."""

    of: ClassVar[type[Verifier]] = RemoteVerifier

    tells_reasons = False

    async def prepare(self) -> None:
        await super().prepare()
        url = self.store.url.render_as_string(hide_password=False)
        # A service: a token of the workspace would be suspended together with it.
        system = build_system(Settings(database_url=url, products=(self.product,)))
        own = (await create_service(system, OPERATOR, "contract", "contract")).secret
        await system.store.aclose()
        settings = Settings(database_url=url, products=(self.product,))
        address = self.servers.enter_context(on_a_socket(settings))
        self.transport = CountingTransport()
        self.verifier = RemoteVerifier(address, own, transport=self.transport, timeout=20.0)

    def reads(self) -> int:
        return self.transport.requests

    async def outage(self) -> None:
        self.servers.close()


STORED_BENCHES: list[type[OverStore]] = [Stored, Embedded, ForProxies, Remote]
"""One for every such verifier; tests/layout/test_every_verifier.py finds those that are missing."""
