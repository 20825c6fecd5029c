"""Import of existing keys through ``Keys``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from spacekey import Actor, Authenticated, Keys, Rejected, Secret
from spacekey.domain.refusal import InvalidInput, NotFound
from spacekey.keys import ImportOutcome
from support.imported import another, spooled_with

LATE = datetime(2090, 1, 1, tzinfo=UTC)


async def test_rows_of_python_are_imported_verified_listed_and_revoked_with_their_user(database_url: str) -> None:
    keys = Keys(database_url, [spooled_with()])
    tenant, other = [await keys.workspaces.ensure(external_id=one, plan="enterprise") for one in ("t1", "t2")]
    olds = [another("unkey", number) for number in range(3)]
    rows: list[Any] = [
        {"hash": one.hash, "name": "CI", "grants": ("jobs:read",), "external_id": "user-7", "expires_at": LATE}
        for one in olds[:2]
    ]
    rows += [{"hash": olds[2].hash}, "no mapping", {**rows[0], 7: 7}]

    async def later() -> AsyncIterator[Mapping[str, Any]]:
        for row in rows:
            yield row

    ada = Actor(id="user-1", name="Ada")
    wanted = [ImportOutcome.IMPORTED] * 2 + [ImportOutcome.REFUSED] * 3
    for given in (rows, later()):
        dry = keys.tokens.import_(tenant, given, key_format="unkey", actor=ada, dry_run=True)
        assert [one.outcome async for one in dry] == wanted
    done = [one async for one in keys.tokens.import_(tenant, rows, key_format="unkey", actor=ada)]
    assert [one.outcome for one in done] == wanted
    again = [one.outcome async for one in keys.tokens.import_(tenant, later(), key_format="unkey")]
    assert again == [ImportOutcome.PRESENT] * 2 + [ImportOutcome.REFUSED] * 3
    elsewhere = [one.outcome async for one in keys.tokens.import_(other, rows[:1], key_format="unkey")]
    assert elsewhere == [ImportOutcome.REFUSED]
    listed = [one async for one in keys.tokens.list(tenant, imported=True)]
    assert {(one.imported_from, one.external_id, one.created_by.id) for one in listed} == {
        ("unkey", "user-7", "user-1")
    }
    assert [one async for one in keys.tokens.list(tenant, imported=False)] == []
    assert isinstance(await keys.verifier.verify(Secret(olds[0].key)), Authenticated)
    await keys.tokens.revoke_all(tenant, external_id="user-7")
    assert isinstance(await keys.verifier.verify(Secret(olds[0].key)), Rejected)
    with pytest.raises(InvalidInput):
        await anext(keys.tokens.import_(tenant, rows, key_format="none"))
    with pytest.raises(NotFound):
        await anext(keys.tokens.import_("ws_" + "0" * 26, rows, key_format="unkey"))
    await keys.aclose()
