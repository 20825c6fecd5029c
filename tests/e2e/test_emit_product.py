"""emit's shorthands expand when a request is authorized: editing the product changes keys that exist."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from spacekey.examples.jobs.rules import product_files
from support.databases import sqlite_database
from support.jobs_requests import ALL_EMIT_SCOPES, allowed_of, expected
from support.people import sign_in
from support.processes import OWNER_EMAIL, OWNER_PASSWORD, Installation

WORKER = ALL_EMIT_SCOPES - {"jobs:create"}


def _allowed(installation: Installation, app_token: str, *secrets: str) -> list[set[str]]:
    """What each key may do in the example app, with the product as it is now."""
    with (
        installation.serving() as server,
        installation.jobs_app(remote=server, token=app_token) as app,
        httpx.Client(base_url=app, trust_env=False, timeout=120) as client,
    ):
        return [allowed_of(client, secret) for secret in secrets]


@pytest.mark.long
def test_editing_the_product_changes_keys_by_shorthand_and_leaves_keys_by_preset(tmp_path: Path) -> None:
    product = tmp_path / "emit.toml"
    product.write_text(next(path for path in product_files() if path.name == "emit.toml").read_text())
    installation = Installation(sqlite_database(tmp_path, None), tmp_path, [product])
    demo = installation.command("demo")
    space_id = demo["workspaces"][0]["spaces"][0]["id"]
    with installation.serving() as server, sign_in(server, OWNER_EMAIL, OWNER_PASSWORD) as owner:
        by_shorthand = owner.create_token(name="Shorthand", grants=["jobs:worker"], spaceId=space_id)["secret"]
        by_preset = owner.create_token(name="Preset", preset="worker", spaceId=space_id)["secret"]
        app_token = owner.create_token(name="App", grants=["tokens:introspect"], spaceId=space_id)["secret"]

    before = _allowed(installation, app_token, by_shorthand, by_preset)
    assert before == [expected(WORKER, "emit")] * 2

    head, shorthand, rest = product.read_text().partition('[shorthands."jobs:worker"]')
    changed = rest.replace('"jobs:fail",', '"jobs:create",', 1)
    assert changed != rest
    product.write_text(head + shorthand + changed)

    after = _allowed(installation, app_token, by_shorthand, by_preset)
    assert after == [expected(WORKER - {"jobs:fail"} | {"jobs:create"}, "emit"), expected(WORKER, "emit")]
