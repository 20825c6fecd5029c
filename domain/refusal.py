"""Expected refusals: what a resolver raises so that its transaction rolls back, and what doors turn into values.

Refusal
├── NotFound           unknown, or not the caller's to see: the two look the same
├── Forbidden          the caller lacks management scopes
├── InvalidInput       one field of the input, and what to do about it
├── ScopeNotAllowed    the grants go beyond the caller's own effective scopes
├── PlanLimit          the workspace's plan does not include it
├── Conflict           the thing is not in a state that allows it
└── TooManyAttempts    sign-in is rate-limited
"""

from __future__ import annotations

from collections.abc import Iterable

from .errors import SpacekeyError


class Refusal(SpacekeyError):
    """Root of the expected refusals. ``code`` is a stable word for machines, the message is for people."""

    code = "REFUSED"


class NotFound(Refusal):
    """There is no such thing, or it is not yours: nobody can tell which."""

    code = "NOT_FOUND"

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}, or you have no access to it.")
        self.what = what


class Forbidden(Refusal):
    """The caller lacks ``missing``, the smallest set of management scopes to add, sorted.

    :param reason: why, when no scope would help.
    """

    code = "INSUFFICIENT_SCOPE"

    def __init__(self, missing: Iterable[str], reason: str = "Nobody may do this.") -> None:
        self.missing = tuple(sorted(missing))
        super().__init__(f"This needs more scopes: {', '.join(self.missing)}." if self.missing else reason)


class InvalidInput(Refusal):
    """``field`` is the input's field as the client knows it, ``reason`` says what to do."""

    code = "INVALID_INPUT"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class ScopeNotAllowed(Refusal):
    """The caller tried to hand out ``scopes`` that it does not hold itself, sorted.

    :param doing: what it tried with a token that holds them already, such as ``prolong``.
    :param gone: the names mean nothing now, so that no one can tell what they will give when they come back.
    """

    code = "SCOPE_NOT_ALLOWED"

    def __init__(self, scopes: Iterable[str], doing: str | None = None, *, gone: bool = False) -> None:
        self.scopes = tuple(sorted(scopes))
        names = ", ".join(self.scopes)
        what = "grant" if doing is None else f"{doing} a token that holds"
        if gone:
            reason = f"You cannot {what} roles or scopes that no longer exist here: {names}. Choose other grants first."
        else:
            reason = f"You cannot {what} what you do not hold yourself: {names}."
        super().__init__(reason)


class PlanLimit(Refusal):
    """The plan does not include it."""

    code = "PLAN_LIMIT"

    def __init__(self, plan: str, reason: str) -> None:
        super().__init__(reason)
        self.plan = plan


class Conflict(Refusal):
    """The thing is in a state that does not allow this. ``successor_id`` names the token that replaced it, if so."""

    code = "CONFLICT"

    def __init__(self, reason: str, successor_id: str | None = None) -> None:
        super().__init__(reason)
        self.successor_id = successor_id


class SignInFailed(Refusal):
    """Unknown name and wrong password look the same."""

    code = "SIGN_IN_FAILED"

    def __init__(self) -> None:
        super().__init__("This sign-in name and password do not belong together.")


class TooManyAttempts(Refusal):
    """Wait ``retry_after_seconds`` and try again."""

    code = "TOO_MANY_ATTEMPTS"

    def __init__(self, retry_after_seconds: int) -> None:
        unit = "second" if retry_after_seconds == 1 else "seconds"
        super().__init__(f"Too many attempts. Try again in {retry_after_seconds} {unit}.")
        self.retry_after_seconds = retry_after_seconds
