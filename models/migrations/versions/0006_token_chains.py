"""Which chain of rotations a token belongs to: limits and plans count chains."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1_000


def upgrade() -> None:
    """Add the column, and give every token that was made by a rotation the first token of its chain."""
    op.add_column("spacekey_tokens", sa.Column("chain_id", sa.String(40), nullable=True))
    fill(op.get_bind())


def fill(connection: sa.Connection) -> None:
    """Find the first token of every chain, from whatever stands in ``rotated_from_id``."""
    successors = connection.execute(
        sa.text("SELECT id, rotated_from_id FROM spacekey_tokens WHERE rotated_from_id IS NOT NULL")
    )
    before: dict[str, str] = {row.id: row.rotated_from_id for row in successors}
    first: dict[str, str] = {}
    rows = [{"token": token, "chain": _first(token, before, first)} for token in before]
    statement = sa.text("UPDATE spacekey_tokens SET chain_id = :chain WHERE id = :token")
    for start in range(0, len(rows), ROWS_AT_ONCE):
        connection.execute(statement, rows[start : start + ROWS_AT_ONCE])


def _first(token: str, before: dict[str, str], first: dict[str, str]) -> str:
    """The first token of the chain; what is found is kept, so that a long chain is walked once."""
    walked = []
    while token in before and token not in first:
        walked.append(token)
        token = before[token]
    found = first.get(token, token)
    first.update(dict.fromkeys(walked, found))
    return found


def downgrade() -> None:
    """Take it away."""
    op.drop_column("spacekey_tokens", "chain_id")
