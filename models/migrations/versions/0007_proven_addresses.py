"""An address is a claim until it is proven, people sign in by a name, and invitations stand by themselves.

Accounts that the operator made keep their address as proven; all others become unproven. Each keeps the text it signs
in with. Rows of people who were invited and never accepted are removed: an invitation points at no account any more.
An invitation whose maker the audit log does not name is removed, because nothing could tell whether its maker may
still invite.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
PROVEN = sa.text("email_proven_at IS NOT NULL")
PENDING = sa.text("used_at IS NULL")
ADDRESS = re.compile(r"[!-~]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)
"""Addresses that today's rules would accept as they stand; nothing else is taken over as proven."""

OPERATOR = "operator"
KINDS = {"usr": "person", "key": "token", OPERATOR: "operator"}

users = sa.table(
    "spacekey_users",
    *(sa.column(name) for name in ("id", "email", "sign_in_name", "password_hash")),
    sa.column("email_proven_at", MOMENT),
    sa.column("created_at", MOMENT),
)
members = sa.table("spacekey_members", sa.column("user_id"))
events = sa.table(
    "spacekey_audit_events", *(sa.column(name) for name in ("chain", "action", "target_id", "actor_id", "actor_name"))
)
old_invitations = sa.table(
    "spacekey_invitations",
    *(sa.column(name) for name in ("digest", "id", "user_id", "workspace_id", "role")),
    *(sa.column(name, MOMENT) for name in ("created_at", "expires_at", "used_at")),
)


def upgrade() -> None:
    """Give every account a sign-in name, and every invitation its own address and inviter."""
    waiting = _waiting_invitations()
    op.drop_table("spacekey_invitations")
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_users()
    else:
        _alter_users()
    op.create_index("ix_spacekey_users_email", "spacekey_users", ["email"])
    op.create_index("ix_spacekey_users_created", "spacekey_users", ["created_at", "id"])
    op.create_index(
        "uq_spacekey_users_email_proven",
        "spacekey_users",
        ["email"],
        unique=True,
        sqlite_where=PROVEN,
        postgresql_where=PROVEN,
    )
    _remove_those_who_never_accepted()
    _name_everybody()
    _prove_the_operators()
    op.bulk_insert(_new_invitations(), waiting)
    op.create_index(
        "ix_spacekey_invitations_workspace_created", "spacekey_invitations", ["workspace_id", "created_at", "id"]
    )
    op.create_index(
        "uq_spacekey_invitations_pending",
        "spacekey_invitations",
        ["workspace_id", "email"],
        unique=True,
        sqlite_where=PENDING,
        postgresql_where=PENDING,
    )


def downgrade() -> None:
    """Go back to one account for each address; invitations end, and so do accounts without an address of their own.

    :raises RuntimeError: two accounts claim one address, or one claims none; the older tables cannot hold them.
    """
    connection = op.get_bind()
    claimed = [row.email for row in connection.execute(sa.select(users.c.email))]
    if None in claimed or len(set(claimed)) < len(claimed):
        raise RuntimeError("accounts share an address, or have none: the older version cannot hold them")
    op.drop_table("spacekey_invitations")
    if connection.dialect.name == "sqlite":
        _rebuild_old_users()
    else:
        _alter_users_back()
    _create_old_invitations()


def _waiting_invitations() -> list[dict[str, Any]]:
    """The invitations that can still be accepted and whose inviter is known, as they will be kept."""
    connection = op.get_bind()
    joined = sa.select(old_invitations, users.c.email).join_from(
        old_invitations, users, users.c.id == old_invitations.c.user_id
    )
    newest_first = joined.where(old_invitations.c.used_at.is_(None)).order_by(old_invitations.c.created_at.desc())
    made: dict[tuple[str, str], dict[str, Any]] = {}
    for row in connection.execute(newest_first):
        inviter = connection.execute(
            sa.select(events.c.actor_id, events.c.actor_name).where(
                events.c.chain == row.workspace_id,
                events.c.action == "member.invite",
                events.c.target_id == row.id,
            )
        ).first()
        kind = None if inviter is None else KINDS.get(inviter.actor_id.partition("_")[0])
        if inviter is None or kind is None:
            continue
        made.setdefault(
            (row.workspace_id, row.email),
            {
                "digest": row.digest,
                "id": row.id,
                "workspace_id": row.workspace_id,
                "email": row.email,
                "name": None,
                "role": row.role,
                "inviter_kind": kind,
                "inviter_id": inviter.actor_id,
                "inviter_name": inviter.actor_name,
                "created_at": row.created_at,
                "expires_at": row.expires_at,
                "used_at": None,
            },
        )
    return list(made.values())


def _remove_those_who_never_accepted() -> None:
    belongs = sa.select(members.c.user_id).where(members.c.user_id == users.c.id).exists()
    op.execute(sa.delete(users).where(users.c.password_hash.is_(None), ~belongs))


def _name_everybody() -> None:
    """The name is the address as it was typed until now, folded where that is still unique."""
    connection = op.get_bind()
    addresses = {row.id: row.email for row in connection.execute(sa.select(users.c.id, users.c.email))}
    for user_id, name in sign_in_names(addresses).items():
        op.execute(sa.update(users).where(users.c.id == user_id).values(sign_in_name=name))


def sign_in_names(addresses: Mapping[str, str]) -> dict[str, str]:
    """Account id → sign-in name. Who types what they typed before is found by it, or by its folded form."""
    taken = set(addresses.values())
    names = {}
    for user_id, address in addresses.items():
        folded = unicodedata.normalize("NFC", address.casefold())
        names[user_id] = address if folded in taken else folded
        taken.add(names[user_id])
    return names


def _prove_the_operators() -> None:
    connection = op.get_bind()
    made = sa.select(events.c.target_id).where(
        events.c.chain == "system", events.c.action == "user.create", events.c.actor_id == OPERATOR
    )
    rows: Iterable[Any] = connection.execute(
        sa.select(users.c.id, users.c.email, users.c.created_at).where(users.c.id.in_(made))
    ).all()
    for row in rows:
        if ADDRESS.fullmatch(row.email):
            op.execute(sa.update(users).where(users.c.id == row.id).values(email_proven_at=row.created_at))


def _new_invitations() -> sa.Table:
    return op.create_table(
        "spacekey_invitations",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("workspace_id", sa.String(40), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("role", sa.String(100), nullable=False),
        sa.Column("inviter_kind", sa.String(16), nullable=False),
        sa.Column("inviter_id", sa.String(40), nullable=False),
        sa.Column("inviter_name", sa.String(254), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_spacekey_invitations"),
        sa.UniqueConstraint("id", name="uq_spacekey_invitations_id"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["spacekey_workspaces.id"], name="fk_spacekey_invitations_workspace_id"
        ),
        sa.CheckConstraint("length(digest) = 32", name="ck_spacekey_invitations_digest"),
        sa.CheckConstraint(
            "inviter_kind IN ('person', 'token', 'operator')", name="ck_spacekey_invitations_inviter_kind"
        ),
    )


def _rebuild_users() -> None:
    """SQLite changes no constraint of a table: make another one and give it the old name.

    Foreign keys are off while a migration runs there (see ``spacekey.models.migrations.run``), so the rows that point
    at the old table point at the new one afterwards.
    """
    op.create_table(
        "spacekey_users_new",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("sign_in_name", sa.String(254), nullable=True),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column("email_proven_at", MOMENT, nullable=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spacekey_users"),
        sa.UniqueConstraint("sign_in_name", name="uq_spacekey_users_sign_in_name"),
        sa.CheckConstraint("email_proven_at IS NULL OR email IS NOT NULL", name="ck_spacekey_users_email_proven"),
    )
    _replace_users()


def _rebuild_old_users() -> None:
    op.create_table(
        "spacekey_users_new",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spacekey_users"),
        sa.UniqueConstraint("email", name="uq_spacekey_users_email"),
        sa.CheckConstraint("email = lower(email)", name="ck_spacekey_users_email_lower"),
    )
    _replace_users()


def _replace_users() -> None:
    kept = "id, email, name, password_hash, created_at"
    op.execute(f"INSERT INTO spacekey_users_new ({kept}) SELECT {kept} FROM spacekey_users")  # noqa: S608 - no input in it
    op.drop_table("spacekey_users")
    op.rename_table("spacekey_users_new", "spacekey_users")


def _alter_users() -> None:
    op.drop_constraint("uq_spacekey_users_email", "spacekey_users", type_="unique")
    op.drop_constraint("ck_spacekey_users_email_lower", "spacekey_users", type_="check")
    op.alter_column("spacekey_users", "email", nullable=True)
    op.add_column("spacekey_users", sa.Column("sign_in_name", sa.String(254), nullable=True))
    op.add_column("spacekey_users", sa.Column("email_proven_at", MOMENT, nullable=True))
    op.create_unique_constraint("uq_spacekey_users_sign_in_name", "spacekey_users", ["sign_in_name"])
    op.create_check_constraint(
        "ck_spacekey_users_email_proven", "spacekey_users", "email_proven_at IS NULL OR email IS NOT NULL"
    )


def _alter_users_back() -> None:
    for index in ("ix_spacekey_users_email", "ix_spacekey_users_created", "uq_spacekey_users_email_proven"):
        op.drop_index(index, "spacekey_users")
    op.drop_constraint("uq_spacekey_users_sign_in_name", "spacekey_users", type_="unique")
    op.drop_constraint("ck_spacekey_users_email_proven", "spacekey_users", type_="check")
    op.drop_column("spacekey_users", "sign_in_name")
    op.drop_column("spacekey_users", "email_proven_at")
    op.alter_column("spacekey_users", "email", nullable=False)
    op.create_unique_constraint("uq_spacekey_users_email", "spacekey_users", ["email"])
    op.create_check_constraint("ck_spacekey_users_email_lower", "spacekey_users", "email = lower(email)")


def _create_old_invitations() -> None:
    op.create_table(
        "spacekey_invitations",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("workspace_id", sa.String(40), nullable=False),
        sa.Column("role", sa.String(100), nullable=False),
        sa.Column("invited_by", sa.String(254), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_spacekey_invitations"),
        sa.UniqueConstraint("id", name="uq_spacekey_invitations_id"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["spacekey_users.id"], name="fk_spacekey_invitations_user_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["spacekey_workspaces.id"], name="fk_spacekey_invitations_workspace_id"
        ),
        sa.CheckConstraint("length(digest) = 32", name="ck_spacekey_invitations_digest"),
    )
    op.create_index("ix_spacekey_invitations_user_id", "spacekey_invitations", ["user_id"])
    op.create_index(
        "ix_spacekey_invitations_workspace_created", "spacekey_invitations", ["workspace_id", "created_at", "id"]
    )
