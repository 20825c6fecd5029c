"""The audit log: a row in the same transaction as every change, in an unbroken chain."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from spacekey.domain.actor import UNKNOWN_PERSON_ID
from spacekey.domain.page import Page, PageRequest
from spacekey.domain.refusal import UserError
from spacekey.models.engine.store import Store
from spacekey.models.queries.audit import audit_events
from spacekey.models.tables.audit import SYSTEM_CHAIN, AuditEvent
from spacekey.resolvers.access.caller import RequestFacts, TokenCaller
from spacekey.resolvers.accounts.sessions import (
    change_password,
    end_other_sessions,
    end_session,
    own_sessions,
    sign_in,
    sign_out,
)
from spacekey.resolvers.accounts.users import update_account
from spacekey.resolvers.audit import log as audit
from spacekey.resolvers.audit.chains import verify_chains
from spacekey.resolvers.audit.log import export_chain
from spacekey.resolvers.members.invitations import withdraw_invitation
from spacekey.resolvers.members.members import add_member, change_member_role, remove_member
from spacekey.resolvers.tokens.create import NewToken, create_token
from spacekey.resolvers.tokens.revoke import delete_token, disable_token, enable_token, revoke_token, revoke_tokens
from spacekey.resolvers.tokens.rotate import rotate_token
from spacekey.resolvers.tokens.update import TokenChanges, update_token
from spacekey.resolvers.workspaces.delete import delete_workspace
from spacekey.resolvers.workspaces.lists import invitation_lists
from spacekey.resolvers.workspaces.roles import delete_role, set_role
from spacekey.resolvers.workspaces.spaces import create_space, delete_space, update_space
from spacekey.resolvers.workspaces.workspaces import WorkspaceChanges, update_workspace
from support.patience import together
from support.snapshot import snapshot
from support.triggers import without_triggers
from support.world import FACTS, OPERATOR, PASSWORD, World, make_world

ANOTHER = "eleven copper kettles in a row"


class Scene:
    """A workspace with an owner, a member, a space and a token, and every change that can be made to them."""

    def __init__(self, world: World) -> None:
        self.world, self.system = world, world.system

    async def set_up(self) -> None:
        world = self.world
        self.workspace = await world.workspace("spooled")
        self.owner = await world.member(self.workspace, "owner")
        self.other = await world.member(self.workspace, "member")
        self.space = await world.space(self.workspace)
        asked = NewToken(self.workspace.id, "t", ("jobs:read",))
        self.token = (await create_token(self.system, self.owner, asked)).view.token.id
        disabled = await create_token(self.system, self.owner, asked)
        self.disabled = disabled.view.token.id
        await disable_token(self.system, self.owner, self.disabled)
        self.session = (await sign_in(self.system, FACTS, email=self.owner.name, password=PASSWORD)).secret
        self.session_id = (await own_sessions(self.system, self.owner, None))[0].id
        await add_member(self.system, self.owner, self.workspace.id, email="new@example.com", role="member")
        waiting = (await invitation_lists(self.system, self.owner, [self.workspace.id], PageRequest(1)))[0]
        assert isinstance(waiting, Page)
        self.invitation = waiting.rows[0].id

    def changes(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """Action → the change that must leave a row of it."""
        system, owner, here = self.system, self.owner, self.workspace.id
        new = NewToken(here, "new", ("jobs:read",))
        return {
            "token.create": lambda: create_token(system, owner, new),
            "token.update": lambda: update_token(system, owner, self.token, TokenChanges(name="renamed")),
            "token.disable": lambda: disable_token(system, owner, self.token),
            "token.enable": lambda: enable_token(system, owner, self.disabled),
            "token.rotate": lambda: rotate_token(system, owner, self.token),
            "token.revoke": lambda: revoke_token(system, owner, self.token, reason="leaked"),
            "token.delete": lambda: delete_token(system, owner, self.token),
            "workspace.update": lambda: update_workspace(system, owner, here, WorkspaceChanges(name="Renamed")),
            "role.set": lambda: set_role(system, owner, here, name="helper", grants=["jobs:read"]),
            "role.remove": lambda: delete_role(system, owner, here, name="admin"),
            "space.create": lambda: create_space(system, owner, here, name="New", slug="new"),
            "space.update": lambda: update_space(system, owner, self.space.id, name="Renamed"),
            "space.delete": lambda: delete_space(system, owner, self.space.id),
            "member.change_role": lambda: change_member_role(system, owner, here, self.other.id, role="admin"),
            "member.remove": lambda: remove_member(system, owner, here, self.other.id),
            "member.invite": lambda: add_member(system, owner, here, email="another@example.com", role="member"),
            "member.withdraw_invitation": lambda: withdraw_invitation(system, owner, self.invitation),
            "workspace.delete": lambda: delete_workspace(system, owner, here),
            "session.sign_in": lambda: sign_in(system, FACTS, email=owner.name, password=PASSWORD),
            "session.sign_out": lambda: sign_out(system, owner, self.session),
            "session.end": lambda: end_session(system, owner, self.session_id, None),
            "session.end_others": lambda: end_other_sessions(system, owner, None),
            "user.update": lambda: update_account(system, owner, name="Another"),
            "user.change_password": lambda: change_password(system, owner, current=PASSWORD, new=ANOTHER),
        }


async def scene(store: Store) -> Scene:
    made = Scene(make_world(store))
    await made.set_up()
    return made


async def events(store: Store, chain: str) -> list[AuditEvent]:
    async with store.reading() as session:
        return [event async for event in audit_events(session, chain)]


@pytest.mark.long
async def test_every_change_leaves_a_row_of_who_did_what_to_what(store: Store) -> None:
    for action in (await scene(store)).changes():
        here = await scene(store)
        chain = SYSTEM_CHAIN if action.startswith(("session", "user")) else here.workspace.id
        before = len(await events(store, chain))
        await here.changes()[action]()
        new = (await events(store, chain))[before:]
        assert action in [event.action for event in new], action
        for event in new:
            assert (event.actor_id, event.actor_name, event.ip) == (here.owner.id, here.owner.name, FACTS.ip), action
            assert (event.outcome, event.request_id) == ("success", FACTS.request_id)
            # People's names and addresses stand where they can be erased: in target_name and target_facts.
            assert "@" not in json.dumps([event.before, event.after]), action
    assert [one for one in await verify_chains(here.system) if one.broken_at is not None] == []


@pytest.mark.long
async def test_a_change_that_fails_at_its_end_leaves_neither_itself_nor_a_row(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is written last: when that fails, all of it is undone."""
    here = await scene(store)

    def broken(_previous: bytes, _event: AuditEvent) -> bytes:
        raise RuntimeError("out of ink")

    before = await snapshot(store)
    monkeypatch.setattr(audit, "event_hash", broken)
    for action, change in here.changes().items():
        with pytest.raises(RuntimeError, match="out of ink"):
            await change()
        assert await snapshot(store) == before, action


async def test_a_refused_change_leaves_no_row(store: Store) -> None:
    here = await scene(store)
    before = await snapshot(store)
    stranger = TokenCaller(here.token, "t", here.workspace.id, FACTS)
    with pytest.raises(UserError):
        await revoke_tokens(here.system, stranger, [here.token])
    with pytest.raises(UserError):
        await update_token(here.system, here.owner, here.token, TokenChanges(name="ok", grants=("nothing",)))
    assert await snapshot(store) == before


async def test_what_changes_nothing_leaves_no_row(store: Store) -> None:
    here = await scene(store)
    before = await snapshot(store)
    await update_token(here.system, here.owner, here.token, TokenChanges(name="t"))
    await enable_token(here.system, here.owner, here.token)
    await disable_token(here.system, here.owner, here.disabled)
    await update_workspace(here.system, here.owner, here.workspace.id, WorkspaceChanges(plan="free"))
    await update_space(here.system, here.owner, here.space.id, name="main")
    await change_member_role(here.system, here.owner, here.workspace.id, here.other.id, role="member")
    assert await snapshot(store) == before


async def test_a_row_says_what_was_and_what_is(store: Store) -> None:
    here = await scene(store)
    await update_token(here.system, here.owner, here.token, TokenChanges(name="renamed", grants=("dlq:read",)))
    last = (await events(store, here.workspace.id))[-1]
    assert last.before == {"name": "t", "grants": ["jobs:read"]}
    assert last.after == {"name": "renamed", "grants": ["dlq:read"]}
    assert last.target_id == here.token


async def test_a_failed_sign_in_is_a_denied_row_without_what_was_typed(store: Store) -> None:
    here = await scene(store)
    typed = "seven wooden boots at noon"
    for email in (here.owner.name, typed):
        with pytest.raises(UserError):
            await sign_in(here.system, FACTS, email=email, password=typed)
    known, unknown = (await events(store, SYSTEM_CHAIN))[-2:]
    assert (known.outcome, known.actor_id) == ("denied", here.owner.id)
    assert (unknown.outcome, unknown.actor_id) == ("denied", UNKNOWN_PERSON_ID)
    assert typed not in repr(await snapshot(store))


async def test_headers_cannot_break_a_row(store: Store) -> None:
    here = await scene(store)
    facts = RequestFacts(ip="x" * 500, user_agent="evil\x1b[31m\0\n" + "y" * 5_000, request_id="z" * 500)
    await sign_in(here.system, facts, email=here.owner.name, password=PASSWORD)
    last = (await events(store, SYSTEM_CHAIN))[-1]
    assert last.user_agent.startswith("evil[31myy")
    assert (len(last.ip), len(last.request_id)) == (64, 64)


async def test_the_export_is_the_chain_in_order(store: Store) -> None:
    here = await scene(store)
    lines = [json.loads(line) async for line in export_chain(here.system, here.workspace.id)]
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[0]["action"] == "workspace.create"
    assert len(lines[-1]["hash"]) == 64


TAMPERINGS = [
    ("UPDATE spacekey_audit_events SET action = 'token.update' WHERE chain = :c AND sequence = 3", 3),
    ("UPDATE spacekey_audit_events SET actor_name = 'somebody else' WHERE chain = :c AND sequence = 1", 1),
    ("UPDATE spacekey_audit_events SET ip = '203.0.113.9' WHERE chain = :c AND sequence = 4", 4),
    ("UPDATE spacekey_audit_events SET before = NULL, after = NULL WHERE chain = :c AND sequence = 5", 5),
    ("DELETE FROM spacekey_audit_events WHERE chain = :c AND sequence = 2", 2),
    (
        """DELETE FROM spacekey_audit_events
        WHERE chain = :c AND sequence = (SELECT sequence FROM spacekey_audit_chains WHERE chain = :c)""",
        0,
    ),
    ("UPDATE spacekey_audit_chains SET sequence = sequence - 1 WHERE chain = :c", -1),
]


@pytest.mark.parametrize(("statement", "at"), TAMPERINGS)
async def test_tampering_is_found_at_its_place(store: Store, statement: str, at: int) -> None:
    """By somebody who can write to the database and has taken the triggers away.

    0 stands for the last event, -1 for the one before it: where a shortened chain's head does not fit.
    """
    here = await scene(store)
    (report,) = await verify_chains(here.system, [here.workspace.id])
    assert report.broken_at is None
    await without_triggers(store)
    async with store.changing() as session:
        await (await session.connection()).execute(text(statement), {"c": here.workspace.id})
    expected = {0: report.events, -1: report.events - 1}.get(at, at)
    (broken,) = await verify_chains(here.system, [here.workspace.id])
    assert broken.broken_at == expected
    (sound,) = await verify_chains(here.system, [SYSTEM_CHAIN])
    assert sound.broken_at is None


async def test_a_chain_whose_head_was_taken_away_is_still_checked_and_broken(store: Store) -> None:
    here = await scene(store)
    async with store.changing() as session:
        statement = text("DELETE FROM spacekey_audit_chains WHERE chain = :c")
        await (await session.connection()).execute(statement, {"c": here.workspace.id})
    reports = {report.chain: report.broken_at for report in await verify_chains(here.system)}
    assert reports[here.workspace.id] is not None
    assert reports[SYSTEM_CHAIN] is None


async def test_many_at_once_write_one_unbroken_chain(store: Store) -> None:
    here = await scene(store)
    before = len(await events(store, here.workspace.id))
    await update_workspace(here.system, OPERATOR, here.workspace.id, WorkspaceChanges(plan="enterprise"))
    asked = NewToken(here.workspace.id, "t", ("jobs:read",))
    await together(partial(create_token, here.system, OPERATOR, asked) for _ in range(40))
    (report,) = await verify_chains(here.system, [here.workspace.id])
    assert (report.broken_at, report.events) == (None, before + 41)


async def test_many_beginnings_of_one_chain_are_one(store: Store) -> None:
    """Nothing is in the system's chain yet, and all want to write its first event."""
    world = make_world(store)
    await together(partial(world.user, f"u{number}@example.com") for number in range(8))
    (report,) = await verify_chains(world.system, [SYSTEM_CHAIN])
    assert (report.broken_at, report.events) == (None, 8)
