"""What is searched stands beside each token and space in one folded form, alike on both databases."""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SEARCHED = {"spacekey_tokens": ("name", "description", "prefix"), "spacekey_spaces": ("name", "slug")}
BATCH = 1_000


def upgrade() -> None:
    """Add the columns and fill them, in batches."""
    connection = op.get_bind()
    for table, names in SEARCHED.items():
        op.add_column(table, sa.Column("search_text", sa.Text(), nullable=False, server_default=""))
        rows = sa.table(table, *(sa.column(name) for name in ("id", "search_text", *names)))
        write = (
            sa.update(rows)
            .where(rows.c.id == sa.bindparam("row_id"))
            .values(search_text=sa.bindparam("folded", type_=sa.Text()))
        )
        after = ""
        while True:
            read = sa.select(rows.c.id, *(rows.c[name] for name in names)).where(rows.c.id > after)
            batch = connection.execute(read.order_by(rows.c.id).limit(BATCH)).all()
            if not batch:
                break
            after = batch[-1][0]
            connection.execute(
                write, [{"row_id": row[0], "folded": "\x1f".join(map(folded, row[1:]))} for row in batch]
            )


def downgrade() -> None:
    """Take them away."""
    for table in SEARCHED:
        op.drop_column(table, "search_text")


def folded(text: str) -> str:
    """As :func:`spacekey.models.tables.search.folded` was when this was written."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text.strip()).casefold())
