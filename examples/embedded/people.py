"""The application's own tenants, users and sessions: what it had before Spacekey. They are kept in memory."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """A user of the application. ``tenant`` is the id of the customer whom they work for."""

    id: str
    name: str
    email: str
    tenant: str


class People:
    """Users by their address, and who is signed in."""

    def __init__(self) -> None:
        self._users: dict[str, tuple[User, bytes, bytes]] = {}
        self._sessions: dict[str, str] = {}

    def add(self, user: User, password: str) -> None:
        """Add a user."""
        salt = secrets.token_bytes(16)
        self._users[user.email] = (user, salt, _hash(password, salt))

    def sign_in(self, email: str, password: str) -> str | None:
        """Return the secret of a new session; None if the address or the password is wrong."""
        user, salt, digest = self._users.get(email, (None, b"", b""))
        if not secrets.compare_digest(_hash(password, salt), digest) or user is None:
            return None
        session = secrets.token_urlsafe(32)
        self._sessions[session] = email
        return session

    def sign_out(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(session, None)

    def signed_in(self, session: str) -> User | None:
        """Return whose session it is."""
        return self._users[self._sessions[session]][0] if session in self._sessions else None

    def user(self, user_id: str | None) -> User | None:
        """Return a user by their id."""
        return next((user for user, _, _ in self._users.values() if user.id == user_id), None)


def demo_people() -> People:
    """Return two users of one tenant and one of another, each with the password "correct horse"."""
    people = People()
    for user in (
        User("user-7", "Ada", "ada@example.com", "tenant-42"),
        User("user-8", "Bob", "bob@example.com", "tenant-42"),
        User("user-9", "Eve", "eve@example.org", "tenant-43"),
    ):
        people.add(user, "correct horse")
    return people


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
