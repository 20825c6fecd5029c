"""The invariants are the database's: every constraint is broken once, and holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from spacekey.domain.refusal import Conflict
from spacekey.models.engine.store import SQLITE, Store
from spacekey.models.tables.audit import AuditChain
from spacekey.models.tables.base import Row
from spacekey.models.tables.idempotency import IdempotencyKey
from spacekey.models.tables.identity import OutsideIdentity
from spacekey.models.tables.mail import MailedLink, WaitingMail
from spacekey.models.tables.portal import PortalSession
from spacekey.models.tables.registry import metadata
from spacekey.models.tables.service import Service, ServiceSecret
from spacekey.models.tables.setting import Setting
from spacekey.models.tables.token import TokenFirstUse
from spacekey.models.tables.usage import ScopeUse, UsageHour, UsageReporter
from spacekey.models.tables.user import Invitation, UserSession
from spacekey.models.tables.workspace import Member, ReleasedSlug
from support.rows import NOW, a_space, a_token, a_user, a_workspace, add, an_event


@dataclass
class World:
    """Valid rows that are there already, for the broken ones to point at."""

    def __post_init__(self) -> None:
        self.user = a_user(id="usr_1", sign_in_name="a", email="a@example.com", email_proven_at=NOW)
        self.workspace = a_workspace(id="ws_1", slug="one", external_id="tenant")
        self.other = a_workspace(id="ws_2")
        self.space = a_space(self.workspace, id="space_1", slug="main", external_id="project")
        self.token = a_token(self.workspace, id="key_1", digest=bytes(32))
        self.successor = a_token(self.workspace, id="key_2", rotated_from_id="key_1")
        self.event = an_event("ws_1", 1, id="evt_1")

    def rows(self) -> list[Row]:
        """All of them, parents first."""
        return [
            *(self.user, self.workspace, self.other, self.space, self.token, self.successor, self.event),
            a_token(self.workspace, id="key_3", rotated_to_id="key_1", retires_at=NOW),
            Member(workspace_id="ws_1", user_id="usr_1", role="owner", created_at=NOW),
            a_session(digest=bytes(32)),
            invitation(bytes(32), mail_digest=bytes(32)),
            ReleasedSlug(slug="given-up", workspace_id="ws_1", released_at=NOW),
            AuditChain(chain="ws_1", sequence=1, hash=bytes(32)),
            Setting(name="one", value=1.0),
            TokenFirstUse(token_id="key_1", at=NOW),
            UsageHour(token_id="key_1", hour=NOW),
            ScopeUse(token_id="key_1", scope="jobs:read", last_used_at=NOW),
            UsageReporter(id="app/1", number=1, seen_at=NOW),
            idempotency_key(),
            a_service(),
            a_service_secret(),
            an_outside_identity(),
            a_waiting_mail(),
            a_mailed_link(),
            a_portal_session(),
        ]


def idempotency_key(**given: Any) -> IdempotencyKey:
    facts = {"caller_id": "usr_1", "operation": "create", "key_digest": bytes(32), "request_digest": bytes(32)}
    return IdempotencyKey(**{**facts, "token_id": "key_1", "created_at": NOW, **given})


def a_service(**given: Any) -> Service:
    return Service(**{"id": "svc_1", "name": "emit-api", "product": "emit", "scopes": [], "created_at": NOW, **given})


def an_outside_identity(**given: Any) -> OutsideIdentity:
    facts = {"issuer": "https://id.example", "subject": "1", "user_id": "usr_1", "created_at": NOW}
    return OutsideIdentity(**{**facts, **given})


def a_waiting_mail(**given: Any) -> WaitingMail:
    facts = {"kind": "password", "about": "a@example.com", "created_at": NOW, "next_try_at": NOW}
    return WaitingMail(**{**facts, **given})


def a_mailed_link(**given: Any) -> MailedLink:
    facts = {"digest": bytes(32), "user_id": "usr_1", "kind": "password", "email": "a@example.com", "expires_at": NOW}
    return MailedLink(**{**facts, **given})


def a_service_secret(**given: Any) -> ServiceSecret:
    return ServiceSecret(**{"digest": bytes(32), "service_id": "svc_1", "created_at": NOW, **given})


def a_portal_session(**given: Any) -> PortalSession:
    facts: dict[str, Any] = {
        "digest": bytes(32),
        "id": "pts_1",
        "workspace_id": "ws_1",
        "person_id": "user-7",
        "person_name": "Ada",
    }
    facts |= {"grants": [], "scopes": [], "own_tokens": True, "origins": [], "service_id": "svc_1"}
    return PortalSession(**{**facts, "created_at": NOW, "expires_at": NOW, **given})


def invitation(digest: bytes, **given: Any) -> Invitation:
    facts = {
        "digest": digest,
        "id": f"inv_{digest.hex()[:30]}",
        "workspace_id": "ws_1",
        "email": f"{digest.hex()[:10]}@example.com",
        "role": "viewer",
        "inviter_kind": "person",
        "inviter_id": "usr_1",
        "inviter_name": "ada@example.com",
        "created_at": NOW,
        "expires_at": NOW,
    }
    return Invitation(**{**facts, **given})


def a_session(**given: Any) -> UserSession:
    facts = {"digest": b"d" * 32, "user_id": "usr_1", "created_at": NOW, "last_seen_at": NOW, "expires_at": NOW}
    facts["id"] = f"ses_{given.get('digest', b'd').hex()[:30]}"
    return UserSession(**{**facts, "ip": "", "user_agent": "", **given})


def a_member(workspace_id: str, user_id: str) -> Member:
    return Member(workspace_id=workspace_id, user_id=user_id, role="viewer", created_at=NOW)


def token(**given: Any) -> Callable[[World], Row]:
    return lambda world: a_token(world.workspace, **given)


def workspace(**given: Any) -> Callable[[World], Row]:
    return lambda _: a_workspace(**given)


BROKEN: dict[str, Callable[[World], Row]] = {
    "pk_spacekey_users": lambda _: a_user(id="usr_1"),
    "uq_spacekey_users_sign_in_name": lambda _: a_user(sign_in_name="a"),
    "uq_spacekey_users_email_proven": lambda _: a_user(email="a@example.com", email_proven_at=NOW),
    "ck_spacekey_users_email_proven": lambda _: a_user(email=None, email_proven_at=NOW),
    "pk_spacekey_user_sessions": lambda _: a_session(digest=bytes(32)),
    "uq_spacekey_user_sessions_id": lambda _: a_session(id="ses_" + "0" * 30),
    "fk_spacekey_user_sessions_user_id": lambda _: a_session(user_id="usr_none"),
    "ck_spacekey_user_sessions_digest": lambda _: a_session(digest=b"short"),
    "pk_spacekey_waiting_mails": lambda _: a_waiting_mail(),
    "ck_spacekey_waiting_mails_kind": lambda _: a_waiting_mail(kind="other"),
    "pk_spacekey_mailed_links": lambda _: a_mailed_link(kind="proof"),
    "uq_spacekey_mailed_links_user_id_kind": lambda _: a_mailed_link(digest=b"d" * 32),
    "ck_spacekey_mailed_links_digest": lambda _: a_mailed_link(digest=b"short", kind="proof"),
    "ck_spacekey_mailed_links_kind": lambda _: a_mailed_link(digest=b"d" * 32, kind="other"),
    "fk_spacekey_mailed_links_user_id": lambda _: a_mailed_link(digest=b"d" * 32, user_id="usr_none"),
    "ix_spacekey_invitations_mail_digest": lambda _: invitation(b"e" * 32, mail_digest=bytes(32)),
    "pk_spacekey_outside_identities": lambda _: an_outside_identity(),
    "fk_spacekey_outside_identities_user_id": lambda _: an_outside_identity(subject="2", user_id="usr_none"),
    "pk_spacekey_invitations": lambda _: invitation(bytes(32), email="b@example.com", id="inv_other"),
    "uq_spacekey_invitations_id": lambda _: invitation(b"d" * 32, id="inv_" + "0" * 30),
    "fk_spacekey_invitations_workspace_id": lambda _: invitation(b"d" * 32, workspace_id="ws_none"),
    "uq_spacekey_invitations_pending": lambda _: invitation(b"d" * 32, email=f"{'00' * 5}@example.com"),
    "ck_spacekey_invitations_inviter_kind": lambda _: invitation(b"d" * 32, inviter_kind="service"),
    "ck_spacekey_invitations_digest": lambda _: invitation(b"short"),
    "pk_spacekey_workspaces": workspace(id="ws_1"),
    "uq_spacekey_workspaces_slug": workspace(slug="one"),
    "uq_spacekey_workspaces_product_external_id": workspace(external_id="tenant"),
    "ck_spacekey_workspaces_limit_whole": workspace(per_minute=5),
    "ck_spacekey_workspaces_limit_positive": workspace(per_minute=0, burst=1),
    "ck_spacekey_workspaces_lifetime_max": workspace(lifetime_seconds_max=0),
    "ck_spacekey_workspaces_lifetime_default": workspace(lifetime_seconds_default=0),
    "ck_spacekey_workspaces_lifetime_order": workspace(lifetime_seconds_max=10, lifetime_seconds_default=11),
    "pk_spacekey_spaces": lambda world: a_space(world.workspace, id="space_1"),
    "fk_spacekey_spaces_workspace_id": lambda _: a_space(a_workspace()),
    "uq_spacekey_spaces_workspace_slug": lambda world: a_space(world.workspace, slug="main"),
    "uq_spacekey_spaces_workspace_external_id": lambda world: a_space(world.workspace, external_id="project"),
    "pk_spacekey_members": lambda _: a_member("ws_1", "usr_1"),
    "fk_spacekey_members_workspace_id": lambda _: a_member("ws_none", "usr_1"),
    "fk_spacekey_members_user_id": lambda _: a_member("ws_1", "usr_none"),
    "pk_spacekey_tokens": token(id="key_1"),
    "uq_spacekey_tokens_digest": token(digest=bytes(32)),
    "uq_spacekey_tokens_rotated_from_id": token(rotated_from_id="key_1"),
    "uq_spacekey_tokens_rotated_to_id": token(rotated_to_id="key_1", retires_at=NOW),
    "fk_spacekey_tokens_workspace_id": lambda _: a_token(a_workspace()),
    "fk_spacekey_tokens_rotated_from_id": token(rotated_from_id="key_none"),
    "fk_spacekey_tokens_rotated_to_id": token(rotated_to_id="key_none", retires_at=NOW),
    "fk_spacekey_tokens_space_of_workspace": lambda world: a_token(world.other, world.space),
    "ck_spacekey_tokens_kind": token(kind="member"),
    "ck_spacekey_tokens_kind_space": token(kind="space"),
    "ck_spacekey_tokens_environment": token(environment="staging"),
    "ck_spacekey_tokens_digest": token(digest=b"short"),
    "ck_spacekey_tokens_rotation_whole": token(retires_at=NOW),
    "pk_spacekey_token_first_uses": lambda _: TokenFirstUse(token_id="key_1", at=NOW),
    "fk_spacekey_token_first_uses_token_id": lambda _: TokenFirstUse(token_id="key_none", at=NOW),
    "pk_spacekey_usage_hours": lambda _: UsageHour(token_id="key_1", hour=NOW),
    "fk_spacekey_usage_hours_token_id": lambda _: UsageHour(token_id="key_none", hour=NOW),
    "ck_spacekey_usage_hours_counts": lambda _: UsageHour(token_id="key_2", hour=NOW, denied=-1),
    "pk_spacekey_scope_uses": lambda _: ScopeUse(token_id="key_1", scope="jobs:read", last_used_at=NOW),
    "fk_spacekey_scope_uses_token_id": lambda _: ScopeUse(token_id="key_none", scope="jobs:read", last_used_at=NOW),
    "pk_spacekey_audit_chains": lambda _: AuditChain(chain="ws_1", sequence=0, hash=bytes(32)),
    "pk_spacekey_audit_events": lambda _: an_event("ws_1", 2, id="evt_1"),
    "uq_spacekey_audit_events_chain_sequence": lambda _: an_event("ws_1", 1),
    "ck_spacekey_audit_events_hash": lambda _: an_event("ws_1", 2, hash=b"short"),
    "ck_spacekey_audit_events_outcome": lambda _: an_event("ws_1", 2, outcome="perhaps"),
    "pk_spacekey_released_slugs": lambda _: ReleasedSlug(slug="given-up", workspace_id="ws_1", released_at=NOW),
    "fk_spacekey_released_slugs_workspace_id": lambda _: ReleasedSlug(slug="x", workspace_id="ws_no", released_at=NOW),
    "pk_spacekey_settings": lambda _: Setting(name="one", value=2.0),
    "pk_spacekey_idempotency_keys": lambda _: idempotency_key(),
    "fk_spacekey_idempotency_keys_token_id": lambda _: idempotency_key(operation="rotate", token_id="key_none"),
    "ck_spacekey_idempotency_keys_key": lambda _: idempotency_key(key_digest=b"short"),
    "ck_spacekey_idempotency_keys_request": lambda _: idempotency_key(operation="rotate", request_digest=b"short"),
    "pk_spacekey_portal_sessions": lambda _: a_portal_session(id="pts_2"),
    "uq_spacekey_portal_sessions_id": lambda _: a_portal_session(digest=b"x" * 32),
    "ck_spacekey_portal_sessions_digest": lambda _: a_portal_session(digest=b"short", id="pts_2"),
    "fk_spacekey_portal_sessions_workspace_id": lambda _: a_portal_session(
        digest=b"x" * 32, id="pts_2", workspace_id="ws_none"
    ),
    "fk_spacekey_portal_sessions_service_id": lambda _: a_portal_session(
        digest=b"x" * 32, id="pts_2", service_id="svc_none"
    ),
    "pk_spacekey_services": lambda _: a_service(name="other"),
    "ix_spacekey_services_name": lambda _: a_service(id="svc_2"),
    "pk_spacekey_service_secrets": lambda _: a_service_secret(),
    "fk_spacekey_service_secrets_service_id": lambda _: a_service_secret(digest=b"x" * 32, service_id="svc_none"),
    "ck_spacekey_service_secrets_digest": lambda _: a_service_secret(digest=b"short"),
    "pk_spacekey_usage_reporters": lambda _: UsageReporter(id="app/1", number=2, seen_at=NOW),
}
UNREACHABLE = {"uq_spacekey_spaces_id_workspace"}
"""Follows from the primary key; it is there for the tokens' foreign key to point at."""


@pytest.mark.parametrize("name", BROKEN)
async def test_the_database_refuses(store: Store, name: str) -> None:
    world = World()
    async with AsyncSession(store.engine, expire_on_commit=False) as session:
        for row in world.rows():
            session.add(row)
            await session.flush()
        await session.commit()
        session.expunge_all()
        session.add(BROKEN[name](world))
        with pytest.raises(IntegrityError) as refused:
            await session.flush()
    if store.dialect != SQLITE:
        cause = refused.value.orig.__cause__ if refused.value.orig else None
        assert getattr(cause, "constraint_name", None) == name
    elif name.startswith("ck_"):
        assert name in str(refused.value.orig)
    else:
        words = {"fk": "FOREIGN KEY constraint failed", **dict.fromkeys(("uq", "pk", "ix"), "UNIQUE")}
        assert words[name[:2]] in str(refused.value.orig) or "never changed" in str(refused.value.orig)


async def test_the_rows_around_the_broken_ones_are_fine(store: Store) -> None:
    await add(store, *World().rows())


def test_no_constraint_is_left_out() -> None:
    kinds = (CheckConstraint, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint)
    named = {
        str(constraint.name)
        for table in metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, kinds)
    }
    named |= {str(index.name) for table in metadata.sorted_tables for index in table.indexes if index.unique}
    assert named - UNREACHABLE == set(BROKEN)


async def test_a_deleted_space_gives_its_slug_back(store: Store) -> None:
    one = a_workspace()
    deleted = (a_space(one, slug="main", deleted_at=NOW) for _ in range(2))
    await add(store, one, *deleted, a_space(one, slug="main"))


async def test_a_broken_constraint_is_a_conflict_and_nothing_is_kept(store: Store) -> None:
    with pytest.raises(Conflict):
        await add(store, a_user(id="usr_1", sign_in_name="a"), a_user(id="usr_2", sign_in_name="a"))
    async with store.reading() as session:
        assert await session.get(type(a_user()), "usr_1") is None


async def test_a_users_sessions_go_with_the_user(store: Store) -> None:
    user = a_user()
    async with store.changing() as session:
        session.add(user)
        await session.flush()
        session.add(a_session(user_id=user.id))
    async with store.changing() as session:
        await session.delete(await session.get_one(type(user), user.id))
    async with store.reading() as session:
        assert await session.get(UserSession, b"d" * 32) is None


async def test_an_address_is_claimed_by_many_and_proven_by_one(store: Store) -> None:
    await add(store, a_user(email="a@example.com", email_proven_at=NOW), *(a_user(email="a@example.com") for _ in "ab"))


async def test_an_invitation_that_was_used_lets_another_wait(store: Store) -> None:
    tenant = a_workspace(id="ws_1")
    used = (invitation(bytes([n]) * 32, email="a@example.com", used_at=NOW) for n in (1, 2))
    await add(store, tenant, *used, invitation(b"d" * 32, email="a@example.com"))


async def test_a_deleted_workspace_gives_its_slug_back(store: Store) -> None:
    await add(store, *(a_workspace(slug="one", deleted_at=NOW) for _ in range(2)), a_workspace(slug="one"))


async def test_what_is_deleted_gives_its_external_id_back_and_others_may_have_it(store: Store) -> None:
    one, other = a_workspace(external_id="t"), a_workspace(external_id="t", product="guard")
    gone = a_workspace(external_id="t", deleted_at=NOW)
    spaces = (
        a_space(one, external_id="p"),
        a_space(one, external_id="p", deleted_at=NOW),
        a_space(other, external_id="p"),
    )
    await add(store, one, other, gone, *spaces, a_token(one, external_id="u"), a_token(one, external_id="u"))
