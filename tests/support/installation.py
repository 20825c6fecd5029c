"""Rows of a whole installation, as a file for the tests of upgrades.

``PYTHONPATH=tests python -m support.installation`` writes one, for each version whose tables are others; it is never
changed afterwards.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from spacekey.domain.secret import opaque_secret
from spacekey.models.engine.store import Store
from spacekey.models.migrations.run import upgrade
from spacekey.models.migrations.schema_version import head
from spacekey.models.tables.mail import MailedLink
from spacekey.models.tables.registry import metadata
from spacekey.models.tables.usage import ScopeUse, UsageHour, UsageReporter
from spacekey.resolvers.accounts.links import PROOF, enqueue
from spacekey.resolvers.audit.chains import audit_heads, write_checkpoints
from spacekey.resolvers.outbox import Outbox
from spacekey.resolvers.staleness import set_staleness
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.idempotency import idempotent_request
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.verify import LookupVerifier
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from spacekey.server.build import build_verifier

from .credentials import Home, access, filled, take_away
from .world import OPERATOR, World, make_world

FOLDER = Path(__file__).resolve().parents[1] / "models" / "migrations"
NAMES = ("tokens", "invitations", "workspaces", "spaces")
SECRETS = ("secrets", "sessions", "codes", "services")


async def use(world: World, home: Home) -> None:
    """Fill the tables that changes alone leave empty."""
    system = replace(world.system, outbox=Outbox())
    main, now = home.workspaces["kept"], world.clock.now
    first = await create_token(system, OPERATOR, NewToken(main.id, "first", ("jobs:read",)))
    successor = await rotate_token(system, OPERATOR, first.view.token.id, retire_on_first_use=True)
    home.secrets["retired by its successor"], home.secrets["used successor"] = first.secret, successor.secret
    verifier: LookupVerifier = build_verifier(system.store, system.products, system.clock, 0.0)
    await verifier.verify(successor.secret)
    await verifier.aclose()
    again = idempotent_request("once", {"name": "idempotent"})
    await create_token(system, OPERATOR, NewToken(main.id, "idempotent", ("jobs:read",)), again)
    await update_workspace(system, OPERATOR, main.id, WorkspaceChanges(slug="kept-renamed"))
    await set_staleness(system, OPERATOR, 0.5)
    await enqueue(system, PROOF, home.people["demoted"].id)
    async with system.store.changing() as session:
        token_id = home.tokens["kept"]
        session.add(UsageHour(token_id=token_id, hour=now.replace(minute=0), allowed=3, denied=2, limited=1))
        session.add(ScopeUse(token_id=token_id, scope="jobs:read", last_used_at=now))
        session.add(UsageReporter(id="app-1", number=7, seen_at=now))
        link = opaque_secret(secrets.token_bytes)
        person = home.people["demoted"]
        session.add(
            MailedLink(digest=link.digest(), user_id=person.id, kind="proof", email=person.name, expires_at=now)
        )
    await write_checkpoints(system)


async def write() -> Path:
    """Write the installation of the newest revision."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/installation.db")
        try:
            await upgrade(store)
            world = make_world(store)
            home = await filled(world)
            await take_away(home)
            await use(world, home)
            heads = [[one.chain, one.sequence, one.hash.hex()] for one in await audit_heads(world.system)]
            rows = _rows(Path(folder) / "installation.db")
            world.clock.forward(minutes=1)
            held = {what: sorted(scopes) for what, scopes in (await access(home, world)).items()}
        finally:
            await store.aclose()
    facts = {
        "at": world.clock.now.isoformat(),
        "heads": heads,
        "access": held,
        **{name: getattr(home, name) for name in NAMES if name != "workspaces"},
        **{name: {way: one.reveal() for way, one in getattr(home, name).items()} for name in SECRETS},
        "portal": {way: [session, secret.reveal()] for way, (session, secret) in home.portal.items()},
        "people": {way: [one.id, one.name] for way, one in home.people.items()},
    }
    target = FOLDER / f"installation_{head()}"
    target.mkdir(exist_ok=True)
    (target / "rows.json").write_text(_written(rows))
    (target / "credentials.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    return target


def _rows(file: Path) -> dict[str, dict[str, list[Any]]]:
    found: dict[str, dict[str, list[Any]]] = {}
    with closing(sqlite3.connect(file)) as connection:
        for table in metadata.sorted_tables:
            names = [column.name for column in table.columns]
            shown = ", ".join(f'"{name}"' for name in names)
            rows = connection.execute(f"SELECT {shown} FROM {table.name} ORDER BY 1, 2").fetchall()
            if not rows:
                raise RuntimeError(f"{table.name} is empty: fill it in use()")
            found[table.name] = {"columns": names, "rows": [[_stored(one) for one in row] for row in rows]}
    return found


def _written(rows: dict[str, dict[str, list[Any]]]) -> str:
    """The rows as JSON, one a line."""
    tables = []
    for name, one in sorted(rows.items()):
        lines = ",\n".join(f"   {json.dumps(row)}" for row in one["rows"])
        tables.append(f' "{name}": {{"columns": {json.dumps(one["columns"])},\n  "rows": [\n{lines}\n  ]}}')
    return "{\n" + ",\n".join(tables) + "\n}\n"


def _stored(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


if __name__ == "__main__":
    asyncio.run(write())
