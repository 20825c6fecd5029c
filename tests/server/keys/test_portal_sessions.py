"""Portal sessions that an application opens in its own process, and its mounted APIs accept."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from spacekey import Actor, InvalidInput, Keys, ScopeNotAllowed
from spacekey.keys import Workspace

PAGE = "https://app.example.com"
ADA = Actor("user-7", "Ada")


async def tenant(keys: Keys) -> Workspace:
    return await keys.workspaces.ensure(external_id="tenant-42", plan="enterprise")


async def test_its_page_lists_and_creates_keys_until_the_user_has_gone(keys: Keys) -> None:
    home = await tenant(keys)
    opened = await keys.portal_sessions.create(home, person=ADA, origins=["HTTPS://app.example.com:443"])
    assert opened.origins == (PAGE,)
    assert opened.secret.reveal() not in repr(opened)
    app = keys.app(cors_origins=[PAGE])
    headers = {"Authorization": f"Bearer {opened.secret.reveal()}", "Origin": PAGE}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        body = {"name": "N", "permissions": ["jobs:read"]}
        made = await client.post("/api/v1/api-keys", json=body, headers=headers)
        assert made.status_code == 201, made.text
        assert made.headers["access-control-allow-origin"] == PAGE
        assert (await keys.tokens.get(home, made.json()["id"])).external_id == "user-7"
        revoked = await keys.tokens.revoke_all(home, external_id="user-7")
        assert revoked.count == 1
        assert (await client.post("/api/v1/api-keys", json=body, headers=headers)).status_code == 401
    assert await keys.portal_sessions.end(home, person=ADA) == 0


async def test_it_has_no_more_than_its_opener_gives(keys: Keys) -> None:
    home = await tenant(keys)
    opened = await keys.portal_sessions.create(
        home, person=ADA, origins=[PAGE], scopes=["jobs:read"], granted_by=["jobs:read"], tokens="workspace"
    )
    assert (opened.scopes, opened.tokens) == (frozenset({"jobs:read"}), "workspace")
    with pytest.raises(ScopeNotAllowed):
        await keys.portal_sessions.create(home, person=ADA, origins=[PAGE], granted_by=["jobs:read"])
    assert await keys.portal_sessions.end(home, person="user-7") == 1


async def test_bad_input_is_named(keys: Keys) -> None:
    home = await tenant(keys)
    for given, field in (
        ({"origins": []}, "origins"),
        ({"origins": "https://app.example.com"}, "origins"),
        ({"origins": ["null"]}, "origins"),
        ({"expires_in": timedelta(hours=2)}, "expires_in"),
        ({"expires_in": 900}, "expires_in"),
        ({"scopes": ["members:read"]}, "scopes"),
        ({"role": "owner"}, "role"),
        ({"tokens": "all"}, "tokens"),
        ({"person": Actor("", "Ada")}, "actor"),
        ({"person": Actor("user-7", "")}, "person"),
        ({"person": "user-7"}, "actor"),
    ):
        asked: dict[str, object] = {"person": ADA, "origins": [PAGE], **given}
        with pytest.raises(InvalidInput) as caught:
            await keys.portal_sessions.create(home, **asked)  # type: ignore[arg-type]
        assert caught.value.field == field, given
