"""``Keys``: what an application does with the tokens of its own users, in its own process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import FrozenInstanceError, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import spacekey.keys
from spacekey import ALL, Actor, Conflict, InvalidInput, Keys, NotFound, PlanLimit, ScopeNotAllowed, Secret
from spacekey.domain.authentication import Authenticated, Rejected
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Limit
from spacekey.domain.product_file import load_product
from spacekey.keys import ActorKind, ImportOutcome, Policy, Status, Token, Workspace
from support.imported import another, spooled_with
from support.world import EXAMPLES

from .conftest import KeysOf

ADA = Actor(id="user-7", name="Ada")
READ = ["jobs:read"]


async def listed(found: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in found]


def test_nothing_is_opened_before_the_first_use(tmp_path: Path) -> None:
    """Keys are made outside of any event loop, when the application's module is imported."""
    Keys(f"sqlite:///{tmp_path}/deep/keys.db", [EXAMPLES / "spooled.toml"])
    assert list(tmp_path.iterdir()) == []


async def test_an_sqlite_file_is_made_and_migrated_at_the_first_use(tmp_path: Path) -> None:
    async with Keys(f"sqlite:///{tmp_path}/deep/keys.db", [EXAMPLES / "spooled.toml"]) as keys:
        home, same = await asyncio.gather(
            *(keys.workspaces.ensure(external_id="tenant-42", name="Acme") for _ in range(2))
        )
    assert home == same


async def test_postgresql_is_migrated_on_demand_alone(bare_database_url: str) -> None:
    keys = Keys(bare_database_url, [EXAMPLES / "spooled.toml"])
    try:
        if bare_database_url.startswith("postgresql"):
            with pytest.raises(ConfigurationError, match="has no Spacekey tables yet; run 'spacekey migrate'"):
                await keys.workspaces.find(external_id="tenant-42")
            await keys.migrate()
        assert await keys.workspaces.find(external_id="tenant-42") is None
    finally:
        await keys.aclose()


@pytest.mark.parametrize("products", [[], "spooled.toml", [EXAMPLES / "spooled.toml"] * 2])
def test_wrong_products_are_refused_when_keys_are_made(products: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Keys(f"sqlite:///{tmp_path}/x.db", products)


async def test_a_product_may_be_loaded_already(database_url: str) -> None:
    async with Keys(database_url, [load_product(EXAMPLES / "spooled.toml")]) as keys:
        assert (await keys.workspaces.ensure(external_id="t")).product == "spooled"


# --- workspaces and spaces ---


async def test_a_workspace_of_a_tenant_exists_once_however_many_ask_at_once(keys_of: KeysOf) -> None:
    """Those of one process, and of several that share nothing."""
    one, two = keys_of("spooled"), keys_of("spooled")
    made = await asyncio.gather(
        *(keys.workspaces.ensure(external_id="tenant-42", name="Acme") for keys in (one, two) for _ in range(3))
    )
    assert len({home.id for home in made}) == 1
    assert await listed(one.workspaces.list()) == [made[0]]
    events = await listed(one.audit.list(made[0]))
    assert [event.action for event in events] == ["workspace.create"]


async def test_a_workspace_that_exists_is_returned_as_it_is(keys: Keys) -> None:
    first = await keys.workspaces.ensure(external_id="tenant-42", name="Acme", plan="free")
    again = await keys.workspaces.ensure(external_id="tenant-42", name="Other", plan="enterprise")
    assert again == first
    assert (first.name, first.plan, first.external_id, first.slug) == ("Acme", "free", "tenant-42", "acme")


@pytest.mark.parametrize("name", ["Acme", "admin", "Ünïcode GmbH & Co. KG", "日本語", "x" * 200])
async def test_tenants_of_one_name_have_slugs_of_their_own(keys: Keys, name: str) -> None:
    one, two = [await keys.workspaces.ensure(external_id=each, name=name) for each in ("a", "b")]
    assert one.slug != two.slug


async def test_a_slug_that_was_chosen_is_not_replaced(keys: Keys) -> None:
    await keys.workspaces.ensure(external_id="a", slug="acme")
    with pytest.raises(Conflict, match="taken"):
        await keys.workspaces.ensure(external_id="b", slug="acme")
    assert await keys.workspaces.find(external_id="b") is None


async def test_external_ids_are_compared_exactly(keys: Keys) -> None:
    made = {each: await keys.workspaces.ensure(external_id=each) for each in ("ws_1", "WS_1", "ws_1 x", "é")}
    assert len({home.id for home in made.values()}) == 4
    for external_id, home in made.items():
        assert await keys.workspaces.find(external_id=external_id) == home


async def test_the_product_is_named_only_where_there_are_several(keys_of: KeysOf) -> None:
    both = keys_of("spooled", "emit")
    with pytest.raises(InvalidInput, match="product: Several products are loaded; name one of them: emit, spooled"):
        await both.workspaces.ensure(external_id="t")
    with pytest.raises(InvalidInput, match=r"Unknown product 'spoold'\. Did you mean 'spooled'"):
        await both.workspaces.ensure(external_id="t", product="spoold")
    one, two = [await both.workspaces.ensure(external_id="t", product=each) for each in ("spooled", "emit")]
    assert one.id != two.id
    assert {home.id async for home in both.workspaces.list()} == {one.id, two.id}
    assert [home.id async for home in both.workspaces.list(product="emit")] == [two.id]


async def test_plan_limit_and_policy_are_the_applications_to_set(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t", plan="free")
    policy = Policy(lifetime_seconds_max=3_600, expiry_required=True, scopes_allowed=frozenset({"jobs:read"}))
    changed = await keys.workspaces.update(home, plan="enterprise", policy=policy, limit=Limit(60, 5), actor=ADA)
    now = changed.workspace
    assert (now.plan, now.policy, now.limit) == ("enterprise", policy, Limit(60, 5))
    assert await keys.workspaces.get(home) == now
    with pytest.raises(InvalidInput, match="grants: The workspace's policy does not allow: jobs:write"):
        await keys.tokens.create(home, name="t", grants=["jobs:write"], expires_in=timedelta(minutes=5))
    with pytest.raises(InvalidInput, match="expires_at"):
        await keys.tokens.create(home, name="t", grants=READ)
    assert (await keys.workspaces.update(home.id, limit=None, policy=Policy())).workspace.limit is None


async def test_suspending_refuses_tokens_until_the_workspace_is_resumed(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t")
    issued = await keys.tokens.create(home, name="t", grants=READ)
    await keys.workspaces.suspend(home, actor=ADA)
    assert isinstance(await keys.verifier.verify(issued.secret), Rejected)
    assert (await keys.workspaces.resume(home)).workspace.suspended_at is None
    assert isinstance(await keys.verifier.verify(issued.secret), Authenticated)
    await keys.workspaces.delete(home)
    assert isinstance(await keys.verifier.verify(issued.secret), Rejected)
    with pytest.raises(NotFound):
        await keys.workspaces.get(home)
    assert (await keys.workspaces.ensure(external_id="t")).id != home.id


async def test_spaces_are_found_by_the_ids_of_the_applications_projects(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t")
    one, two = await asyncio.gather(*(keys.spaces.ensure(home, external_id="p-1", name="One") for _ in range(2)))
    assert one == two == await keys.spaces.get(home, one.id) == await keys.spaces.find(home, external_id="p-1")
    assert await listed(keys.spaces.list(home)) == [one]
    renamed = await keys.spaces.update(home, one, name="Two", external_id="p-2")
    assert (renamed.name, renamed.external_id) == ("Two", "p-2")
    assert await keys.spaces.find(home, external_id="p-1") is None
    await keys.spaces.delete(home, renamed)
    assert await listed(keys.spaces.list(home)) == []


# --- tokens ---


async def test_a_token_lives_from_creation_to_deletion(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t")
    issued = await keys.tokens.create(
        home,
        name="CI",
        grants=READ,
        actor=ADA,
        external_id="user-7",
        metadata={"team": {"id": 7}},
        description="for builds",
        expires_in=timedelta(days=1),
    )
    token = issued.token
    assert (token.name, token.grants, token.scopes, token.external_id) == (
        "CI", ("jobs:read",), frozenset(READ), "user-7",
    )  # fmt: skip
    assert token.created_by == ADA
    assert token.metadata["team"]["id"] == 7
    principal = await keys.verifier.verify(issued.secret)
    assert isinstance(principal, Authenticated)
    assert principal.principal.external_id == "user-7"
    assert await keys.tokens.get(home, token.id) == token
    changed = await keys.tokens.update(home, token, name="Build", metadata=None, owner="user-8", actor=ADA)
    assert (changed.token.name, dict(changed.token.metadata), changed.token.external_id) == ("Build", {}, "user-8")
    assert (await keys.tokens.disable(home, token)).token.status is Status.DISABLED
    assert isinstance(await keys.verifier.verify(issued.secret), Rejected)
    assert (await keys.tokens.enable(home, token)).token.status is Status.ACTIVE
    successor = await keys.tokens.rotate(home, token, grace=timedelta(0))
    assert successor.token.rotated_from_id == token.id
    assert isinstance(await keys.verifier.verify(issued.secret), Rejected)
    assert isinstance(await keys.verifier.verify(successor.secret), Authenticated)
    assert (await keys.tokens.revoke(home, successor.token, reason="left")).token.revoked_reason == "left"
    assert isinstance(await keys.verifier.verify(successor.secret), Rejected)
    await keys.tokens.delete(home, successor.token.id)
    assert [one.id async for one in keys.tokens.list(home)] == [token.id]


async def test_lists_are_read_page_by_page_and_filtered(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t", plan="enterprise")
    for number in range(103):
        await keys.tokens.create(home, name=f"{number:03}", grants=READ, external_id=f"user-{number % 2}", actor=ADA)
    assert len(await listed(keys.tokens.list(home))) == 103
    mine = await listed(keys.tokens.list(home, external_id="user-1", order_by="name", descending=False))
    assert [one.name for one in mine] == [f"{number:03}" for number in range(1, 103, 2)]
    assert len(await listed(keys.tokens.list(ALL, external_id="user-0"))) == 52
    assert await listed(keys.tokens.list(home, external_id="user-2")) == []
    assert len(await listed(keys.tokens.list(home, created_by="user-7", statuses=["active"], scope="jobs:read"))) == 103
    assert await listed(keys.tokens.list(home, statuses=[Status.REVOKED])) == []


async def test_what_a_user_may_grant_is_held_to_what_the_application_says(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t")
    with pytest.raises(ScopeNotAllowed, match="jobs:write"):
        await keys.tokens.create(home, name="t", grants=["jobs:write"], granted_by=READ, actor=ADA)
    token = (await keys.tokens.create(home, name="t", grants=READ, granted_by=READ)).token
    with pytest.raises(ScopeNotAllowed):
        await keys.tokens.update(home, token, grants=["jobs:write"], granted_by=READ)
    with pytest.raises(InvalidInput, match="granted_by: Unknown scope 'jobs:reed'"):
        await keys.tokens.create(home, name="t", grants=READ, granted_by=["jobs:reed"])


async def test_a_plan_without_room_is_told(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t", plan="free")
    quota = await keys.usage.quota(home)
    for number in range(quota.most or 0):
        await keys.tokens.create(home, name=str(number), grants=READ)
    assert (await keys.usage.quota(home)).used == quota.most
    with pytest.raises(PlanLimit):
        await keys.tokens.create(home, name="one more", grants=READ)


async def test_usage_that_the_verifier_collected_is_read(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t")
    token = (await keys.tokens.create(home, name="t", grants=READ)).token
    collector = keys.verifier.usage
    assert collector is not None
    principal = await keys.verifier.verify((await keys.tokens.rotate(home, token)).secret)
    assert isinstance(principal, Authenticated)
    assert await keys.usage.of_token(home, token) == []
    assert await keys.usage.of_workspace(home) == []
    assert await keys.usage.busiest(home) == []
    assert await keys.usage.unused_scopes(home, token) == READ


# --- secrets and records ---


async def test_a_secret_stands_in_no_repr_and_no_log(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        home = await keys.workspaces.ensure(external_id="t")
        issued = await keys.tokens.create(home, name="t", grants=READ, metadata={"note": "m-e-t-a"})
    text = issued.secret.reveal()
    shown = f"{issued!r} {issued} {issued.token!r} {caplog.text} {await keys.tokens.get(home, issued.token)!r}"
    assert text not in shown
    assert text[15:] not in shown
    assert "m-e-t-a" not in repr(issued)


async def test_records_are_plain_and_cannot_be_changed(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t")
    space = await keys.spaces.ensure(home, external_id="p")
    issued = await keys.tokens.create(home, name="t", grants=READ, metadata={"a": {"b": [1]}}, actor=ADA)
    events = await listed(keys.audit.list(home))
    for record in (home, space, issued, issued.token, *events):
        assert is_dataclass(record)
        hash(record)
        for each in fields(record):
            with pytest.raises((FrozenInstanceError, AttributeError)):
                setattr(record, each.name, None)
            value = getattr(record, each.name)
            if isinstance(value, datetime):
                assert value.tzinfo is not None
                assert value.utcoffset() == timedelta(0)
    with pytest.raises(TypeError):
        issued.token.metadata["a"] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        issued.token.metadata["a"]["b"] = 1
    assert datetime.now(UTC) - issued.token.created_at < timedelta(hours=1)


async def test_who_did_what_is_in_the_audit_log(keys: Keys) -> None:
    home = await keys.workspaces.ensure(external_id="t")
    token = (await keys.tokens.create(home, name="t", grants=READ, actor=ADA)).token
    await keys.tokens.revoke(home, token, actor=Actor("user-8", "Bob"))
    events = await listed(keys.audit.list(home, target_id=token.id))
    assert [(event.action, event.actor, event.credential) for event in events] == [
        ("token.revoke", Actor("user-8", "Bob"), "host application"),
        ("token.create", ADA, "host application"),
    ]
    created = await listed(keys.audit.list(home, action="workspace.create"))
    assert [event.actor.kind for event in created] == [ActorKind.OPERATOR]
    assert len(await listed(keys.audit.list(home, actor_id="user-7"))) == 1


# --- bad input ---


async def home_and_token(keys: Keys) -> tuple[Workspace, Token]:
    home = await keys.workspaces.ensure(external_id="t")
    return home, (await keys.tokens.create(home, name="t", grants=READ)).token


@pytest.mark.parametrize(
    ("actor", "reason"),
    [
        (Actor(id=""), "An actor needs an id: the one of your user that never changes"),
        (Actor(id=None), "An actor needs an id"),  # type: ignore[arg-type]
        (Actor(id=7), "An actor needs an id"),  # type: ignore[arg-type]
        (Actor(id="a\nb"), "visible characters"),
        (Actor(id="x" * 201), "1 to 200"),
        (Actor(id="a", name="x" * 255), "at most 254"),
        (Actor(id="a", name="a\x00b"), "control characters"),
        (Actor(id="usr_x", kind=ActorKind.PERSON), "no other kind than external"),
        ("user-7", "Give an Actor"),
    ],
)
async def test_an_actor_that_says_not_who_it_is_is_refused_in_words(keys: Keys, actor: Any, reason: str) -> None:
    home, token = await home_and_token(keys)
    for call in (
        lambda: keys.tokens.create(home, name="x", grants=READ, actor=actor),
        lambda: keys.tokens.revoke(home, token, actor=actor),
        lambda: keys.workspaces.ensure(external_id="new", actor=actor),
    ):
        with pytest.raises(InvalidInput, match=reason) as caught:
            await call()
        assert caught.value.field == "actor"
    assert [one.name async for one in keys.tokens.list(home)] == ["t"]
    assert await keys.workspaces.find(external_id="new") is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"grants": "jobs:read"}, "grants"),
        ({"grants": [7]}, "grants"),
        ({"grants": []}, "grants"),
        ({"grants": ["jobs:reed"]}, "grants"),
        ({"external_id": ""}, "external_id"),
        ({"external_id": 7}, "external_id"),
        ({"external_id": "x" * 201}, "external_id"),
        ({"external_id": "a\x00"}, "external_id"),
        ({"metadata": {"a": "x" * 5_000}}, "metadata"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {"a": object()}}, "metadata"),
        ({"expires_in": 5}, "expires_in"),
        ({"expires_in": timedelta(seconds=-1)}, "expires_in"),
        ({"expires_in": timedelta(days=1), "expires_at": None}, "expires_in"),
        ({"expires_at": datetime(2030, 1, 1)}, "expires_at"),  # noqa: DTZ001 - that is what is refused
        ({"environment": "staging"}, "environment"),
        ({"preset": "none"}, "preset"),
        ({"space": 7}, "space"),
        ({"space": "main"}, None),
        ({"workspace": 7}, "workspace"),
    ],
)
async def test_bad_input_names_its_field_and_writes_nothing(
    keys: Keys, given: dict[str, Any], field: str | None
) -> None:
    home, _ = await home_and_token(keys)
    call = {"workspace": home, "name": "x", "grants": READ, **given}
    with pytest.raises(NotFound if field is None else InvalidInput) as caught:
        await keys.tokens.create(**call)
    assert getattr(caught.value, "field", None) == field
    assert [one.name async for one in keys.tokens.list(home)] == ["t"]


async def test_faults_are_named_as_the_arguments_are(keys_of: KeysOf) -> None:
    keys = keys_of("emit", "spooled")
    home = await keys.workspaces.ensure(external_id="t", product="emit")
    with pytest.raises(InvalidInput, match="space: Emit tokens belong to a space; choose one"):
        await keys.tokens.create(home, name="t", grants=["emails:send"])
    other = await keys.workspaces.ensure(external_id="t", product="spooled")
    token = (await keys.tokens.create(other, name="t", grants=READ)).token
    with pytest.raises(InvalidInput, match="grace: "):
        await keys.tokens.rotate(other, token, grace=timedelta(days=8))
    with pytest.raises(InvalidInput, match="owner: "):
        await keys.tokens.update(other, token, owner="a\x00")
    with pytest.raises(InvalidInput, match="search: "):
        await listed(keys.tokens.list(other, search="x" * 300))


async def test_every_fault_of_a_creation_is_told_at_once(keys: Keys) -> None:
    home, _ = await home_and_token(keys)
    with pytest.raises(InvalidInput) as caught:
        await keys.tokens.create(home, name="", grants=["x"], external_id="", metadata={"a": "\x00"})
    assert {one.field for one in caught.value.faults} == {"name", "grants", "external_id", "metadata"}


def test_each_public_name_is_there() -> None:
    for name in spacekey.keys.__all__:
        assert getattr(spacekey.keys, name)
    with pytest.raises(AttributeError):
        spacekey.keys.nothing  # noqa: B018


# Import of existing keys through ``Keys``.


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


# Portal sessions that an application opens in its own process, and its mounted APIs accept.


PAGE = "https://app.example.com"
ADA_LOVELACE = Actor("user-7", "Ada")


async def tenant(keys: Keys) -> Workspace:
    return await keys.workspaces.ensure(external_id="tenant-42", plan="enterprise")


async def test_its_page_lists_and_creates_keys_until_the_user_has_gone(keys: Keys) -> None:
    home = await tenant(keys)
    opened = await keys.portal_sessions.create(home, person=ADA_LOVELACE, origins=["HTTPS://app.example.com:443"])
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
    assert await keys.portal_sessions.end(home, person=ADA_LOVELACE) == 0


async def test_it_has_no_more_than_its_opener_gives(keys: Keys) -> None:
    home = await tenant(keys)
    opened = await keys.portal_sessions.create(
        home, person=ADA_LOVELACE, origins=[PAGE], scopes=["jobs:read"], granted_by=["jobs:read"], tokens="workspace"
    )
    assert (opened.scopes, opened.tokens) == (frozenset({"jobs:read"}), "workspace")
    with pytest.raises(ScopeNotAllowed):
        await keys.portal_sessions.create(home, person=ADA_LOVELACE, origins=[PAGE], granted_by=["jobs:read"])
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
        asked: dict[str, object] = {"person": ADA_LOVELACE, "origins": [PAGE], **given}
        with pytest.raises(InvalidInput) as caught:
            await keys.portal_sessions.create(home, **asked)  # type: ignore[arg-type]
        assert caught.value.field == field, given
