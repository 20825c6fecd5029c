"""The four outcomes of a request's credentials: four types, which are never turned into one another."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from .principal import Principal


class Reason(StrEnum):
    """Reason why credentials were refused: for logs, metrics and the owner's audit log, never for the caller."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    DISABLED = "disabled"
    REVOKED = "revoked"
    DELETED = "deleted"
    ROTATED = "rotated"
    SUSPENDED = "suspended"
    ENVIRONMENT = "environment"
    CROSS_ORIGIN = "cross_origin"


@dataclass(frozen=True, slots=True)
class Absent:
    """Outcome without credentials."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Outcome of invalid credentials. ``token_id`` is known if the secret belongs to a token."""

    reason: Reason
    token_id: str | None = None


@dataclass(frozen=True, slots=True)
class Valid:
    """Outcome of valid credentials, with their principal."""

    principal: Principal


@dataclass(frozen=True, slots=True)
class CannotTell:
    """Outcome if the store could not be asked in time: 503, never a denial and never an acceptance."""

    why: str
    retry_after_seconds: int = 1


Verdict: TypeAlias = Refused | Valid | CannotTell
"""A verifier's answer for credentials that were sent."""

Outcome: TypeAlias = Absent | Refused | Valid | CannotTell
"""Result of authenticating a request."""
