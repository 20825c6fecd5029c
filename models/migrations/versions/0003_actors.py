"""Actors have kinds, and names stand beside an audit event's hash, where they can be erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LISTED = sa.text("deleted_at IS NULL")

NEVER_CHANGED = "audit events are never changed or deleted"

KEPT = (
    "id",
    "chain",
    "sequence",
    "at",
    "action",
    "outcome",
    "actor_id",
    "credential",
    "target_id",
    "request_id",
    "hash",
    "version",
    "actor_kind",
    "actor_digest",
    "target_digest",
)
"""What an erasure leaves exactly as it is."""

ACTOR_PART = ("actor_name", "ip", "user_agent", "actor_salt", "actor_erased")
TARGET_PART = ("target_name", "target_facts", "target_salt", "target_erased")


def upgrade() -> None:
    """Add the columns and indexes, and let the triggers through what erases a person and nothing else.

    Rows of today keep ``version`` 1 and no kind, which their ids tell.
    """
    op.add_column("spacekey_tokens", sa.Column("created_by_kind", sa.String(16), nullable=True))
    op.create_index(
        "ix_spacekey_tokens_workspace_creator",
        "spacekey_tokens",
        ["workspace_id", "created_by_id", "created_at", "id"],
        sqlite_where=LISTED,
        postgresql_where=LISTED,
    )
    for column in (
        sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("actor_kind", sa.String(16), nullable=True),
        sa.Column("target_name", sa.String(254), nullable=False, server_default=sa.text("''")),
        sa.Column("target_facts", sa.JSON(), nullable=True),
        sa.Column("actor_salt", sa.LargeBinary(16), nullable=True),
        sa.Column("actor_digest", sa.LargeBinary(32), nullable=True),
        sa.Column("actor_erased", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("target_salt", sa.LargeBinary(16), nullable=True),
        sa.Column("target_digest", sa.LargeBinary(32), nullable=True),
        sa.Column("target_erased", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("spacekey_audit_events", column)
    op.create_index("ix_spacekey_audit_events_actor", "spacekey_audit_events", ["chain", "actor_id", "sequence"])
    op.add_column(
        "spacekey_audit_chains", sa.Column("anchored", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    if op.get_bind().dialect.name == "sqlite":
        _erasable_in_sqlite()
    else:
        _erasable_in_postgresql()


def downgrade() -> None:
    """Go back to rows of version 1: those of version 2 no longer verify there, for their fields are gone."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER spacekey_audit_events_no_update")
        op.execute(
            f"CREATE TRIGGER spacekey_audit_events_no_update BEFORE UPDATE ON spacekey_audit_events "
            f"BEGIN SELECT RAISE(ABORT, '{NEVER_CHANGED}'); END"
        )
    else:
        op.execute("DROP TRIGGER spacekey_audit_events_append_only ON spacekey_audit_events")
        op.execute("DROP TRIGGER spacekey_audit_events_only_erased ON spacekey_audit_events")
        op.execute("DROP FUNCTION spacekey_audit_events_only_erased()")
        op.execute(
            "CREATE TRIGGER spacekey_audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
            "ON spacekey_audit_events FOR EACH STATEMENT EXECUTE FUNCTION spacekey_audit_events_append_only()"
        )
    op.drop_column("spacekey_audit_chains", "anchored")
    op.drop_index("ix_spacekey_audit_events_actor", "spacekey_audit_events")
    for name in (
        "version",
        "actor_kind",
        "target_name",
        "target_facts",
        "actor_salt",
        "actor_digest",
        "actor_erased",
        "target_salt",
        "target_digest",
        "target_erased",
    ):
        op.drop_column("spacekey_audit_events", name)
    op.drop_index("ix_spacekey_tokens_workspace_creator", "spacekey_tokens")
    op.drop_column("spacekey_tokens", "created_by_kind")


def _erasable_in_sqlite() -> None:
    allowed = _allowed("NEW.{0} IS OLD.{0}", "json(NEW.{0}) IS json_remove(OLD.{0}, '$.email')")
    op.execute("DROP TRIGGER spacekey_audit_events_no_update")
    op.execute(
        f"CREATE TRIGGER spacekey_audit_events_no_update BEFORE UPDATE ON spacekey_audit_events WHEN NOT ({allowed}) "
        f"BEGIN SELECT RAISE(ABORT, '{NEVER_CHANGED}'); END"
    )


def _erasable_in_postgresql() -> None:
    # The text: json has no equality, and jsonb would take two spellings of one number for the same.
    allowed = _allowed(
        "NEW.{0}::text IS NOT DISTINCT FROM OLD.{0}::text",
        "NEW.{0}::jsonb IS NOT DISTINCT FROM OLD.{0}::jsonb - 'email'",
    )
    op.execute(
        "CREATE FUNCTION spacekey_audit_events_only_erased() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF {allowed} THEN RETURN NEW; END IF; "
        f"RAISE EXCEPTION '{NEVER_CHANGED}'; END $$"
    )
    op.execute("DROP TRIGGER spacekey_audit_events_append_only ON spacekey_audit_events")
    op.execute(
        "CREATE TRIGGER spacekey_audit_events_append_only BEFORE DELETE OR TRUNCATE ON spacekey_audit_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION spacekey_audit_events_append_only()"
    )
    op.execute(
        "CREATE TRIGGER spacekey_audit_events_only_erased BEFORE UPDATE ON spacekey_audit_events "
        "FOR EACH ROW EXECUTE FUNCTION spacekey_audit_events_only_erased()"
    )


def _allowed(same: str, without_address: str) -> str:
    """The condition under which a row may change: one part or both are erased, once, and nothing else moves.

    :param same: says that a column, ``{0}``, keeps its value.
    :param without_address: says that a column of facts loses the target's address, which version 1 keeps there.
    """

    def all_same(names: tuple[str, ...]) -> str:
        return "(" + " AND ".join(same.format(name) for name in names) + ")"

    actor = (
        "(NEW.actor_erased AND NOT OLD.actor_erased AND NEW.actor_name = '' AND NEW.ip = '' "
        "AND NEW.user_agent = '' AND NEW.actor_salt IS NULL)"
    )
    target = (
        "(NEW.target_erased AND NOT OLD.target_erased AND NEW.target_name = '' AND NEW.target_facts IS NULL "
        "AND NEW.target_salt IS NULL)"
    )
    facts = " AND ".join(
        f"({same.format(name)} OR (OLD.version = 1 AND {target} AND {without_address.format(name)}))"
        for name in ("before", "after")
    )
    return (
        f"{all_same(KEPT)} AND ({actor} OR {target}) AND ({actor} OR {all_same(ACTOR_PART)}) "
        f"AND ({target} OR {all_same(TARGET_PART)}) AND {facts}"
    )
