"""``spacekey serve``, ``migrate`` and ``demo``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ._connection import check_local, run
from ._options import AsJson
from .common.output import Facts, say, show_one
from .common.run import operator, settings_now

if TYPE_CHECKING:
    from spacekey.resolvers.system import System
    from spacekey.server.settings import Settings

Host: TypeAlias = Annotated[str | None, typer.Option("--host", help="Address to listen on, before SPACEKEY_HOST.")]
Port: TypeAlias = Annotated[
    int | None, typer.Option("--port", min=0, max=65_535, help="Port, before SPACEKEY_PORT; 0 for any free one.")
]
Workers: TypeAlias = Annotated[
    int | None,
    typer.Option("--workers", min=1, max=256, help="Processes on the port, before SPACEKEY_WORKERS; for PostgreSQL."),
]


def serve(host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Serve until stopped: GraphQL, REST and the dashboard. SQLite is migrated first."""
    check_local()
    settings = _settings(host, port)
    if workers is not None:
        settings = replace(settings, workers=workers)

    from spacekey.server.serving.serve import serve as serve_until_stopped

    serve_until_stopped(settings, on_start=lambda address: say(f"Spacekey listens on {address}"))


def migrate(as_json: AsJson = False) -> None:
    """Bring the database's tables to this version, all or nothing; shows the revision before and after."""

    async def work(system: System) -> Facts:
        from spacekey.models.migrations.run import current, upgrade
        from spacekey.server.build import make_folder

        from .common.run import is_missing

        make_folder(system.store)
        before = None if is_missing(system.store) else await current(system.store)
        await upgrade(system.store)
        after = await current(system.store)
        return {
            "database": system.store.dialect,
            "before": None if before is None else before.revision,
            "after": after.revision,
            "changed": before != after,
        }

    show_one(run(work, migrated=False), as_json)


def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Serve afterwards, until stopped.")] = False,
    host: Host = None,
    port: Port = None,
    as_json: AsJson = False,
) -> None:
    """Make an owner and a workspace for each product; what is there already stays as it is."""
    from .common.output import made_text, requests_text

    settings = _settings(host, port)
    if "SPACEKEY_WORKSPACE_CREATION" not in os.environ:
        settings = replace(settings, workspace_creation="members")  # GraphiQL helps to try the demo

    async def work(system: System) -> Facts:
        from spacekey.server.build import prepare_store
        from spacekey.server.demo import make_demo

        await prepare_store(system.store)
        email, password = settings.owner_email, settings.owner_password
        made = await make_demo(system, operator(), owner_email=email, owner_password=password)
        return made.facts()

    facts = run(work, migrated=False)
    if as_json:
        show_one(facts, True)
    else:
        print(made_text(facts), flush=True)
    if not serve:
        return

    from spacekey.server.serving.serve import serve as serve_until_stopped

    def listening(address: str) -> None:
        print(requests_text(facts, address if settings.public is None else settings.public.url("")), flush=True)

    serve_until_stopped(settings, on_start=listening)


def _settings(host: str | None, port: int | None) -> Settings:
    settings = settings_now()
    if host is not None:
        settings = replace(settings, host=host)
    return settings if port is None else replace(settings, port=port)
