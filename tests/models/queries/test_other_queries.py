"""Queries about workspaces, spaces, members, users, sessions, settings and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.page import AuditFilter, Page, PageRequest
from spacekey.domain.refusal import InvalidInput
from spacekey.models.engine.reading import Reader
from spacekey.models.engine.store import Store
from spacekey.models.queries import audit as audit_queries
from spacekey.models.queries import users as invitation_queries
from spacekey.models.queries import users as user_queries
from spacekey.models.queries import workspaces as workspace_queries
from spacekey.models.queries.settings import read_setting, write_setting
from spacekey.models.tables.records import AuditRecord
from spacekey.models.tables.user import Invitation, User, UserSession
from spacekey.models.tables.workspace import Member, Workspace
from support.rows import NOW, a_space, a_user, a_workspace, add, ago, ahead, an_event, users_by_ids

T = TypeVar("T")


async def walk(store: Store, ask: Callable[[Reader, PageRequest], Awaitable[Page[T]]]) -> list[T]:
    """All rows, two at a time."""
    rows: list[T] = []
    after = None
    for _ in range(100):
        page = await store.read(partial(_asked, ask=ask, request=PageRequest(2, after=after)))
        rows += page.rows
        if not page.has_next:
            return rows
        after = page.cursors[-1]
    raise AssertionError("the walk does not end")


async def _asked(
    reader: Reader, ask: Callable[[Reader, PageRequest], Awaitable[Page[T]]], request: PageRequest
) -> Page[T]:
    return await ask(reader, request)


def a_member(workspace: Workspace, user: User, role: str = "viewer") -> Member:
    return Member(workspace_id=workspace.id, user_id=user.id, role=role, created_at=NOW)


async def test_workspaces_and_spaces_are_found(store: Store) -> None:
    one, other = a_workspace(name="b", slug="one"), a_workspace(name="A")
    space = a_space(one, slug="main")
    gone = a_space(one, slug="gone", deleted_at=NOW)
    await add(store, one, other, space, gone)
    async with store.reading() as session:
        assert await workspace_queries.workspace_by_id(session, one.id) == one
        assert await workspace_queries.workspace_by_id(session, "ws_none") is None
        assert await workspace_queries.workspace_by_slug(session, "one") == one
        assert await workspace_queries.workspace_by_slug(session, "none") is None
        assert await workspace_queries.workspaces_by_ids(session, [one.id, "ws_none"]) == [one]
        assert await workspace_queries.all_workspaces(session) == [other, one]
        assert await workspace_queries.space_by_id(session, gone.id) == gone
        assert await workspace_queries.space_by_slug(session, one.id, "main") == space
        assert await workspace_queries.space_by_slug(session, one.id, "gone") is None
        assert await workspace_queries.space_by_slug(session, other.id, "main") is None
    both = await store.read(lambda reader: workspace_queries.space_records(reader, [space.id, gone.id, "space_none"]))
    assert {(one.id, one.deleted_at) for one in both} == {(space.id, None), (gone.id, NOW)}


async def test_spaces_are_listed_by_name_without_the_deleted(store: Store) -> None:
    one, other = a_workspace(), a_workspace()
    spaces = [a_space(one, name=name) for name in ("b", "A", "c", "a", "B")]
    await add(store, one, other, *spaces, a_space(one, name="a", deleted_at=NOW), a_space(other, name="a"))
    found = await walk(store, lambda reader, page: workspace_queries.space_page(reader, one.id, page))
    ordered = sorted(spaces, key=lambda space: (space.name.lower(), space.id))
    assert [(space.id, space.name) for space in found] == [(space.id, space.name) for space in ordered]


async def test_members_are_listed_with_who_they_are_by_name_or_address(store: Store) -> None:
    one, other = a_workspace(), a_workspace()
    people = [a_user(name="Zoe"), a_user(name="", email="m@example.com"), a_user(name="adam"), a_user(name="Zoe")]
    stranger = a_user(name="Stranger")
    members = [a_member(one, user) for user in people]
    await add(store, one, other, *people, stranger, *members, a_member(other, stranger))
    found = await walk(store, lambda reader, page: workspace_queries.member_page(reader, one.id, page))
    assert [user.id for _, user in found] == [people[2].id, people[1].id, people[0].id, people[3].id]
    assert all(member.user_id == user.id and member.workspace_id == one.id for member, user in found)


async def test_memberships_and_workspaces_of_a_user(store: Store) -> None:
    workspaces = [a_workspace(name=name) for name in ("c", "B", "a")]
    user, other = a_user(), a_user()
    await add(store, *workspaces, user, other, *(a_member(one, user, "owner") for one in workspaces))
    await add(store, a_member(workspaces[0], other))
    found = await walk(
        store, lambda reader, page: workspace_queries.workspaces_of_user_page(reader, user.id, page, NOW)
    )
    assert [(one.name, member.role) for one, member in found] == [("a", "owner"), ("B", "owner"), ("c", "owner")]
    ids = [one.id for one in workspaces[:2]]
    held = await store.read(lambda reader: workspace_queries.memberships(reader, other.id, NOW, ids))
    assert [(one.id, role) for one, role in held] == [(workspaces[0].id, "viewer")]
    async with store.reading() as session:
        membership = await workspace_queries.member(session, workspaces[0].id, other.id)
        assert membership is not None
        assert membership.role == "viewer"
        assert await workspace_queries.member(session, workspaces[1].id, other.id) is None
        assert len(await workspace_queries.members_of_user(session, user.id)) == 3
        for role, count in (("owner", 1), ("viewer", 1), ("admin", 0)):
            assert await workspace_queries.count_members_with_role(session, workspaces[0].id, role) == count


@pytest.mark.parametrize("ends_at", [NOW, ahead(seconds=1)])
async def test_a_membership_that_has_ended_is_none(store: Store, ends_at: datetime) -> None:
    user, workspace = a_user(), a_workspace()
    await add(store, user, workspace)
    claimed = a_member(workspace, user)
    claimed.issuer, claimed.ends_at = "https://login.example", ends_at
    await add(store, claimed)
    held = await store.read(lambda reader: workspace_queries.memberships(reader, user.id, NOW))
    page = await store.read(
        lambda reader: workspace_queries.workspaces_of_user_page(reader, user.id, PageRequest(5), NOW)
    )
    counts = ends_at > NOW
    assert ([one.id for one, _ in held], [one.id for one, _ in page.rows]) == ([workspace.id] * counts,) * 2


def a_session(user: User, digest: bytes, *, seen: datetime = NOW, ends: datetime | None = None) -> UserSession:
    return UserSession(
        digest=digest * 32,
        id=f"ses_{digest.hex()}",
        user_id=user.id,
        created_at=ago(days=1),
        last_seen_at=seen,
        expires_at=ends or ahead(days=1),
        ip="192.0.2.1",
        user_agent="tests",
    )


async def digests(store: Store, user: User) -> list[bytes]:
    async with store.reading() as session:
        found = await user_queries.sessions_of_user(session, user.id, seen_after=ago(hours=12), limit=10)
        assert await user_queries.sessions_of_user(session, user.id, seen_after=ago(hours=12), limit=1) == found[:1]
        return [one.digest[:1] for one in found]


async def test_users_are_found(store: Store) -> None:
    user = a_user(sign_in_name="ada", email="a@example.com", email_proven_at=NOW)
    claims = [a_user(email="a@example.com", created_at=ago(days=2 - number)) for number in range(2)]
    await add(store, user, *claims)
    async with store.reading() as session:
        assert await user_queries.user_by_id(session, user.id) == user
        assert await user_queries.user_by_proven_email(session, "a@example.com") == user
        assert await user_queries.user_by_proven_email(session, "b@example.com") is None
        assert await user_queries.user_by_sign_in_name(session, ["nothing", "ada"]) == user
        assert await user_queries.user_by_sign_in_name(session, ["a@example.com"]) is None
        assert await user_queries.users_claiming(session, "a@example.com", 10) == claims
        assert await user_queries.count_users_claiming(session, "a@example.com", but=claims[0].id) == 1
        assert await users_by_ids(session, [user.id, "usr_none"]) == [user]


async def test_the_nearest_of_the_names_that_were_typed_is_found(store: Store) -> None:
    plain, folded = a_user(sign_in_name="straße@example.com"), a_user(sign_in_name="strasse@example.com")
    await add(store, plain, folded)
    async with store.reading() as session:
        for first, second in ((plain, folded), (folded, plain)):
            names = [first.sign_in_name or "", second.sign_in_name or ""]
            assert await user_queries.user_by_sign_in_name(session, names) == first


async def test_only_claims_are_released(store: Store) -> None:
    proven, kept, lost = a_user(email="a@b.c", email_proven_at=NOW), a_user(email="a@b.c"), a_user(email="a@b.c")
    await add(store, proven, kept, lost)
    async with store.changing() as session:
        await user_queries.release_email(session, "a@b.c", keep=kept.id)
    async with store.reading() as session:
        found = {one.id: one.email for one in await users_by_ids(session, [proven.id, kept.id, lost.id])}
    assert found == {proven.id: "a@b.c", kept.id: "a@b.c", lost.id: None}


async def test_sessions_are_found_touched_and_ended(store: Store) -> None:
    user, other = a_user(), a_user()
    await add(store, user, other, a_session(other, b"o", ends=NOW))
    await add(store, *(a_session(user, one, seen=ago(hours=n)) for n, one in enumerate((b"a", b"b", b"c", b"d"))))
    async with store.reading() as session:
        found = await user_queries.session_by_digest(session, b"a" * 32)
        assert found is not None
        assert (found[0].digest, found[1]) == (b"a" * 32, user)
        assert await user_queries.session_by_digest(session, b"x" * 32) is None
    assert await digests(store, user) == [b"a", b"b", b"c", b"d"]
    async with store.changing() as session:
        await user_queries.touch_session(session, b"d" * 32, ahead(hours=1))
        await user_queries.touch_session(session, b"a" * 32, ago(hours=9))
        await user_queries.touch_session(session, b"x" * 32, NOW)
    assert await digests(store, user) == [b"d", b"a", b"b", b"c"]
    async with store.changing() as session:
        await user_queries.delete_session(session, b"b" * 32)
        await user_queries.delete_expired_sessions(session, NOW)
    assert await digests(store, user) == [b"d", b"a", b"c"]
    assert await digests(store, other) == []
    await add(store, a_session(other, b"o"))
    async with store.changing() as session:
        assert len(await user_queries.delete_sessions_of_user(session, user.id, keep=b"a" * 32)) == 2
    assert await digests(store, user) == [b"a"]
    async with store.changing() as session:
        await user_queries.delete_sessions_of_user(session, user.id)
    assert await digests(store, user) == []
    assert await digests(store, other) == [b"o"]


async def test_an_invitation_is_good_once_and_in_time(store: Store) -> None:
    workspace = a_workspace()
    good, late = (
        Invitation(
            digest=digest * 32,
            id=f"inv_{digest.hex()}",
            workspace_id=workspace.id,
            email=f"{digest.decode()}@example.com",
            role="viewer",
            inviter_kind="operator",
            inviter_id="operator",
            inviter_name="operator",
            created_at=ago(days=1),
            expires_at=end,
        )
        for digest, end in ((b"g", ahead(days=1)), (b"l", NOW))
    )
    await add(store, workspace, good, late)

    async def use(digest: bytes) -> bool:
        async with store.changing() as session:
            return await invitation_queries.use_invitation(session, digest * 32, NOW)

    assert not await use(b"l")
    assert not await use(b"x")
    assert sorted(await asyncio.gather(*(use(b"g") for _ in range(4)))) == [False, False, False, True]
    async with store.changing() as session:
        found = await invitation_queries.invitation_by_digest(session, b"g" * 32)
        assert found is not None
        assert found.used_at == NOW
        await invitation_queries.delete_invitations_by_id(session, [good.id, late.id])
    async with store.reading() as session:
        assert await invitation_queries.invitation_by_digest(session, b"l" * 32) is None
        assert await invitation_queries.invitation_by_digest(session, b"g" * 32) is not None


async def test_a_setting_is_the_default_until_it_is_written(store: Store) -> None:
    for value in (None, 0.0, 2.5):
        if value is not None:
            async with store.changing() as session:
                await write_setting(session, "max_staleness_seconds", value)
        async with store.reading() as session:
            assert await read_setting(session, "max_staleness_seconds", 1.0) == (1.0 if value is None else value)
            assert await read_setting(session, "other", 7.0) == 7.0


async def test_appending_to_one_chain_at_once_gives_one_order(store: Store) -> None:
    """Nobody reads a head that somebody else is about to move; the chain's first event included."""

    async def append() -> int:
        async with store.changing() as session:
            head = await audit_queries.lock_chain(session, "ws_1")
            return (await append_event(session, head.sequence + 1)).sequence

    assert sorted(await asyncio.gather(*(append() for _ in range(12)))) == list(range(1, 13))
    async with store.reading() as session:
        head = await audit_queries.chain_head(session, "ws_1")
        assert head is not None
        assert (head.sequence, head.hash) == (12, an_event("ws_1", 12).hash)
        assert await audit_queries.chain_head(session, "ws_2") is None
        assert await audit_queries.audit_chains(session) == ["ws_1"]


async def append_event(session: AsyncSession, sequence: int) -> audit_queries.ChainHead:
    return await audit_queries.append_event(session, AuditRecord(**an_event("ws_1", sequence).model_dump()))


async def test_an_event_in_hand_is_seen_when_the_chain_is_locked_again(store: Store) -> None:
    async with store.changing() as session:
        await audit_queries.lock_chain(session, "ws_1")
        head = await append_event(session, 1)
        await audit_queries.mark_anchored(session, ["ws_1"])
        assert await audit_queries.lock_chain(session, "ws_1") == head._replace(anchored=1)


@pytest.mark.parametrize("rows", [0, 1, 3, 4, 6, 7])
async def test_all_events_come_in_order_however_they_are_batched(
    store: Store, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(audit_queries, "AUDIT_BATCH_ROWS", 3)
    events = [an_event("ws_1", sequence) for sequence in range(1, rows + 1)]
    await add(store, *reversed(events), an_event("ws_2", 1))
    async with store.reading() as session:
        found = [event.sequence async for event in audit_queries.audit_events(session, "ws_1")]
    assert found == list(range(1, rows + 1))


async def test_the_log_shows_the_newest_first_and_can_be_narrowed(store: Store) -> None:
    events = [
        an_event(
            "ws_1",
            n,
            target_id=f"key_{n % 2}",
            action=("a", "b", "c")[n % 3],
            actor_id=f"usr_{n % 3}",
            before={"n": n},
            after=None,
        )
        for n in range(1, 8)
    ]
    await add(store, *events, an_event("ws_2", 1, target_id="key_1", action="a"))

    async def sequences(target_id: str | None, action: str | None, actor_id: str | None = None) -> list[int]:
        def ask(reader: Reader, page: PageRequest) -> Awaitable[Page[AuditRecord]]:
            return audit_queries.audit_page(reader, "ws_1", page, AuditFilter(actor_id, target_id, action))

        found = await walk(store, ask)
        assert all(event.before == {"n": event.sequence} and event.after is None for event in found)
        return [event.sequence for event in found]

    assert await sequences(None, None) == [7, 6, 5, 4, 3, 2, 1]
    assert await sequences("key_1", None) == [7, 5, 3, 1]
    assert await sequences(None, "b") == [7, 4, 1]
    assert await sequences("key_1", "b") == [7, 1]
    assert await sequences("key_none", None) == []
    assert await sequences(None, None, "usr_1") == [7, 4, 1]
    assert await sequences("key_0", None, "usr_1") == [4]
    assert await sequences(None, "a", "usr_1") == []


async def test_a_cursor_of_one_list_is_no_cursor_of_another(store: Store) -> None:
    workspace = a_workspace()
    await add(store, workspace, a_space(workspace))
    spaces = await store.read(lambda reader: workspace_queries.space_page(reader, workspace.id, PageRequest(1)))
    foreign = PageRequest(1, after=spaces.cursors[0])
    with pytest.raises(InvalidInput, match="another list"):
        await store.read(lambda reader: workspace_queries.member_page(reader, workspace.id, foreign))
    with pytest.raises(InvalidInput, match="another list"):
        await store.read(lambda reader: audit_queries.audit_page(reader, "ws_1", foreign))
