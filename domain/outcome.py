"""The four answers to a request's credentials. They are four types and are never turned into one another."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from .principal import Principal


class Reason(StrEnum):
    """Why credentials were refused: for logs, metrics and the owner's audit log, never for the caller."""

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
    """No credentials were sent."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Credentials were sent and are not good. ``token_id`` is known when the secret belongs to a token."""

    reason: Reason
    token_id: str | None = None


@dataclass(frozen=True, slots=True)
class Valid:
    """Credentials are good, for this principal."""

    principal: Principal


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The store could not be asked in time: 503, never a denial and never an acceptance."""

    why: str
    retry_after_seconds: int = 1


Verdict: TypeAlias = Refused | Valid | CannotTell
"""What a verifier answers for credentials that were sent."""

Outcome: TypeAlias = Absent | Refused | Valid | CannotTell
"""What a request's credentials came to."""
