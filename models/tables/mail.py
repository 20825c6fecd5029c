"""Tables of mail that waits to be sent, and of the links in it. No mail is kept, and no link: only its SHA-256."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlmodel import Field

from .base import Row, moment, words


class WaitingMail(Row, table=True):
    """Mail that was asked for. It is written, with a new link, each time that it is tried.

    ``about`` is an account's id for ``proof``, an invitation's for ``invitation``, and for ``password`` an address that
    was entered, whether any account has it or not.
    """

    __tablename__ = "spacekey_waiting_mails"
    __table_args__ = (
        CheckConstraint("kind IN ('password', 'proof', 'invitation')", name="ck_spacekey_waiting_mails_kind"),
        Index("ix_spacekey_waiting_mails_next_try", "next_try_at"),
    )

    kind: str = Field(sa_column=Column(String(16), primary_key=True))
    about: str = Field(sa_column=Column(String(254), primary_key=True))
    created_at: datetime = Field(sa_column=moment(nullable=False))
    next_try_at: datetime = Field(sa_column=moment(nullable=False))
    tries: int = Field(default=0, sa_column=Column(Integer, nullable=False))


class MailedLink(Row, table=True):
    """Link that was mailed to an account's address: to choose a password, or to prove the address. Usable once."""

    __tablename__ = "spacekey_mailed_links"
    __table_args__ = (
        CheckConstraint("length(digest) = 32", name="ck_spacekey_mailed_links_digest"),
        CheckConstraint("kind IN ('password', 'proof')", name="ck_spacekey_mailed_links_kind"),
        UniqueConstraint("user_id", "kind"),
    )

    digest: bytes = Field(sa_column=Column(LargeBinary(32), primary_key=True))
    user_id: str = Field(
        sa_column=Column(String(40), ForeignKey("spacekey_users.id", ondelete="CASCADE"), nullable=False)
    )
    kind: str = Field(sa_column=words(16))
    email: str = Field(sa_column=words(254))
    expires_at: datetime = Field(sa_column=moment(nullable=False))
