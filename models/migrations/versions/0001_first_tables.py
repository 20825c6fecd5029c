"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
DIGEST = sa.LargeBinary(32)
LISTED = sa.text("deleted_at IS NULL")

TABLES = (
    "spacekey_users",
    "spacekey_user_sessions",
    "spacekey_workspaces",
    "spacekey_invitations",
    "spacekey_spaces",
    "spacekey_members",
    "spacekey_tokens",
    "spacekey_token_first_uses",
    "spacekey_usage_hours",
    "spacekey_scope_uses",
    "spacekey_audit_chains",
    "spacekey_audit_events",
    "spacekey_settings",
)


def upgrade() -> None:
    """Make everything."""
    _people()
    _workspaces()
    _invitations()
    _spaces_and_members()
    _tokens()
    _token_indexes()
    _usage()
    _audit()
    op.create_table(
        "spacekey_settings",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_spacekey_settings"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _append_only_in_sqlite()
    else:
        _append_only_in_postgresql()


def downgrade() -> None:
    """Drop everything, the data too."""
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION spacekey_audit_events_append_only()")


def _people() -> None:
    op.create_table(
        "spacekey_users",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spacekey_users"),
        sa.UniqueConstraint("email", name="uq_spacekey_users_email"),
        sa.CheckConstraint("email = lower(email)", name="ck_spacekey_users_email_lower"),
    )
    op.create_table(
        "spacekey_user_sessions",
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ip", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_spacekey_user_sessions"),
        sa.UniqueConstraint("id", name="uq_spacekey_user_sessions_id"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["spacekey_users.id"], name="fk_spacekey_user_sessions_user_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("length(digest) = 32", name="ck_spacekey_user_sessions_digest"),
    )
    op.create_index("ix_spacekey_user_sessions_user_id", "spacekey_user_sessions", ["user_id"])


def _workspaces() -> None:
    op.create_table(
        "spacekey_workspaces",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("slug", sa.String(63), nullable=False),
        sa.Column("catalog", sa.String(100), nullable=False),
        sa.Column("plan", sa.String(100), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("lifetime_seconds_max", sa.Integer(), nullable=True),
        sa.Column("lifetime_seconds_default", sa.Integer(), nullable=True),
        sa.Column("expiry_required", sa.Boolean(), nullable=False),
        sa.Column("scopes_allowed", sa.JSON(), nullable=True),
        sa.Column("per_minute", sa.Integer(), nullable=True),
        sa.Column("burst", sa.Integer(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("suspended_at", MOMENT, nullable=True),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_spacekey_workspaces"),
        sa.CheckConstraint("(per_minute IS NULL) = (burst IS NULL)", name="ck_spacekey_workspaces_limit_whole"),
        sa.CheckConstraint("per_minute > 0 AND burst > 0", name="ck_spacekey_workspaces_limit_positive"),
        sa.CheckConstraint("lifetime_seconds_max > 0", name="ck_spacekey_workspaces_lifetime_max"),
        sa.CheckConstraint("lifetime_seconds_default > 0", name="ck_spacekey_workspaces_lifetime_default"),
        sa.CheckConstraint(
            "lifetime_seconds_default <= lifetime_seconds_max", name="ck_spacekey_workspaces_lifetime_order"
        ),
    )
    op.create_index(
        "uq_spacekey_workspaces_slug",
        "spacekey_workspaces",
        ["slug"],
        unique=True,
        sqlite_where=LISTED,
        postgresql_where=LISTED,
    )


def _invitations() -> None:
    op.create_table(
        "spacekey_invitations",
        sa.Column("digest", DIGEST, nullable=False),
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


def _spaces_and_members() -> None:
    op.create_table(
        "spacekey_spaces",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("workspace_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("slug", sa.String(63), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_spacekey_spaces"),
        sa.ForeignKeyConstraint(["workspace_id"], ["spacekey_workspaces.id"], name="fk_spacekey_spaces_workspace_id"),
        sa.UniqueConstraint("id", "workspace_id", name="uq_spacekey_spaces_id_workspace"),
    )
    op.create_index(
        "ix_spacekey_spaces_workspace_name", "spacekey_spaces", ["workspace_id", sa.text("lower(name)"), "id"]
    )
    op.create_index(
        "uq_spacekey_spaces_workspace_slug",
        "spacekey_spaces",
        ["workspace_id", "slug"],
        unique=True,
        sqlite_where=LISTED,
        postgresql_where=LISTED,
    )
    op.create_table(
        "spacekey_members",
        sa.Column("workspace_id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("role", sa.String(100), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name="pk_spacekey_members"),
        sa.ForeignKeyConstraint(["workspace_id"], ["spacekey_workspaces.id"], name="fk_spacekey_members_workspace_id"),
        sa.ForeignKeyConstraint(["user_id"], ["spacekey_users.id"], name="fk_spacekey_members_user_id"),
    )
    op.create_index("ix_spacekey_members_user_id", "spacekey_members", ["user_id"])


def _tokens() -> None:
    op.create_table(
        "spacekey_tokens",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("prefix", sa.String(12), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.String(2_000), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("workspace_id", sa.String(40), nullable=False),
        sa.Column("space_id", sa.String(40), nullable=True),
        sa.Column("grants", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by_id", sa.String(40), nullable=False),
        sa.Column("created_by_name", sa.String(254), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revoked_reason", sa.String(500), nullable=True),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("rotated_from_id", sa.String(40), nullable=True),
        sa.Column("rotated_to_id", sa.String(40), nullable=True),
        sa.Column("retires_at", MOMENT, nullable=True),
        sa.Column("first_use_retires", sa.Boolean(), nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("last_used_ip", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_spacekey_tokens"),
        sa.UniqueConstraint("digest", name="uq_spacekey_tokens_digest"),
        sa.UniqueConstraint("rotated_from_id", name="uq_spacekey_tokens_rotated_from_id"),
        sa.UniqueConstraint("rotated_to_id", name="uq_spacekey_tokens_rotated_to_id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["spacekey_workspaces.id"], name="fk_spacekey_tokens_workspace_id"),
        sa.ForeignKeyConstraint(["rotated_from_id"], ["spacekey_tokens.id"], name="fk_spacekey_tokens_rotated_from_id"),
        sa.ForeignKeyConstraint(["rotated_to_id"], ["spacekey_tokens.id"], name="fk_spacekey_tokens_rotated_to_id"),
        sa.ForeignKeyConstraint(
            ["space_id", "workspace_id"],
            ["spacekey_spaces.id", "spacekey_spaces.workspace_id"],
            name="fk_spacekey_tokens_space_of_workspace",
        ),
        sa.CheckConstraint("kind IN ('space', 'workspace')", name="ck_spacekey_tokens_kind"),
        sa.CheckConstraint("(kind = 'space') = (space_id IS NOT NULL)", name="ck_spacekey_tokens_kind_space"),
        sa.CheckConstraint("environment IN ('live', 'test')", name="ck_spacekey_tokens_environment"),
        sa.CheckConstraint("length(digest) = 32", name="ck_spacekey_tokens_digest"),
        sa.CheckConstraint("(rotated_to_id IS NULL) = (retires_at IS NULL)", name="ck_spacekey_tokens_rotation_whole"),
    )
    op.create_table(
        "spacekey_token_first_uses",
        sa.Column("token_id", sa.String(40), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token_id", name="pk_spacekey_token_first_uses"),
        sa.ForeignKeyConstraint(["token_id"], ["spacekey_tokens.id"], name="fk_spacekey_token_first_uses_token_id"),
    )


def _token_indexes() -> None:
    if op.get_bind().dialect.name == "sqlite":
        past, future = "'0002-01-01 00:00:00.000000'", "'9999-12-31 00:00:00.000000'"
    else:
        past, future = "'0002-01-01 00:00:00+00'::timestamptz", "'9999-12-31 00:00:00+00'::timestamptz"
    for name, owner, key in (
        ("ix_spacekey_tokens_workspace_created", "workspace_id", "created_at"),
        ("ix_spacekey_tokens_workspace_name", "workspace_id", "lower(name)"),
        ("ix_spacekey_tokens_workspace_expires", "workspace_id", f"coalesce(expires_at, {future})"),
        ("ix_spacekey_tokens_workspace_used", "workspace_id", f"coalesce(last_used_at, {past})"),
        ("ix_spacekey_tokens_space_created", "space_id", "created_at"),
    ):
        # The colons of a cast are no bind parameter.
        columns: list[str | sa.TextClause] = [owner, sa.text(key.replace(":", r"\:")), "id"]
        op.create_index(name, "spacekey_tokens", columns, sqlite_where=LISTED, postgresql_where=LISTED)


def _usage() -> None:
    op.create_table(
        "spacekey_usage_hours",
        sa.Column("token_id", sa.String(40), nullable=False),
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=False),
        sa.Column("denied", sa.BigInteger(), nullable=False),
        sa.Column("limited", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "hour", name="pk_spacekey_usage_hours"),
        sa.ForeignKeyConstraint(["token_id"], ["spacekey_tokens.id"], name="fk_spacekey_usage_hours_token_id"),
        sa.CheckConstraint("allowed >= 0 AND denied >= 0 AND limited >= 0", name="ck_spacekey_usage_hours_counts"),
    )
    op.create_table(
        "spacekey_scope_uses",
        sa.Column("token_id", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(100), nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token_id", "scope", name="pk_spacekey_scope_uses"),
        sa.ForeignKeyConstraint(["token_id"], ["spacekey_tokens.id"], name="fk_spacekey_scope_uses_token_id"),
    )


def _audit() -> None:
    op.create_table(
        "spacekey_audit_chains",
        sa.Column("chain", sa.String(40), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_spacekey_audit_chains"),
    )
    op.create_table(
        "spacekey_audit_events",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("chain", sa.String(40), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.String(40), nullable=False),
        sa.Column("actor_name", sa.String(254), nullable=False),
        sa.Column("credential", sa.String(60), nullable=False),
        sa.Column("target_id", sa.String(40), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("ip", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(300), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("hash", DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spacekey_audit_events"),
        sa.UniqueConstraint("chain", "sequence", name="uq_spacekey_audit_events_chain_sequence"),
        sa.CheckConstraint("length(hash) = 32", name="ck_spacekey_audit_events_hash"),
        sa.CheckConstraint("outcome IN ('success', 'denied', 'alert')", name="ck_spacekey_audit_events_outcome"),
    )
    op.create_index("ix_spacekey_audit_events_target", "spacekey_audit_events", ["chain", "target_id", "sequence"])
    op.create_index("ix_spacekey_audit_events_action", "spacekey_audit_events", ["chain", "action", "sequence"])


def _append_only_in_sqlite() -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER spacekey_audit_events_no_{event.lower()} BEFORE {event} ON spacekey_audit_events "
            "BEGIN SELECT RAISE(ABORT, 'audit events are never changed or deleted'); END"
        )
    # INSERT OR REPLACE deletes without telling the trigger above.
    op.execute(
        "CREATE TRIGGER spacekey_audit_events_no_replace BEFORE INSERT ON spacekey_audit_events "
        "WHEN EXISTS (SELECT 1 FROM spacekey_audit_events WHERE id = NEW.id) "
        "OR EXISTS (SELECT 1 FROM spacekey_audit_events WHERE chain = NEW.chain AND sequence = NEW.sequence) "
        "BEGIN SELECT RAISE(ABORT, 'audit events are never changed or deleted'); END"
    )


def _append_only_in_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION spacekey_audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'audit events are never changed or deleted'; END $$"
    )
    op.execute(
        "CREATE TRIGGER spacekey_audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON spacekey_audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION spacekey_audit_events_append_only()"
    )
