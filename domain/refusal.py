"""Expected refusals: resolvers raise them, so that transactions roll back, and interfaces turn them into values.

Refusal
├── NotFound           unknown, or not the caller's to see: the two look the same
├── Forbidden          the caller lacks management scopes
├── InvalidInput       one field of the input, and what to do about it
├── ScopeNotAllowed    the grants go beyond the caller's own effective scopes
├── PlanLimit          the workspace's plan does not include it
├── Conflict           the object is not in a state that allows it
├── SignInFailed       unknown name or wrong password: the two look the same
└── TooManyAttempts    sign-in is rate-limited
"""

from __future__ import annotations

from collections.abc import Iterable

from .errors import SpacekeyError


class Refusal(SpacekeyError):
    """Root of the expected refusals. ``code`` is a stable word for machines, the message is for people."""

    code = "REFUSED"


class NotFound(Refusal):
    """Refusal for an object that does not exist or is not the caller's to see: the two look the same."""

    code = "NOT_FOUND"

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}, or you have no access to it.")
        self.what = what


class Forbidden(Refusal):
    """Refusal of a caller that lacks ``missing``, the smallest set of management scopes to add, sorted.

    :param reason: the reason, if no scope would help.
    """

    code = "INSUFFICIENT_SCOPE"

    def __init__(self, missing: Iterable[str], reason: str = "No role may do this.") -> None:
        self.missing = tuple(sorted(missing))
        super().__init__(f"This needs more scopes: {', '.join(self.missing)}." if self.missing else reason)


class InvalidInput(Refusal):
    """Refusal of one field: ``field`` is its name as the client knows it, ``reason`` says what to do."""

    code = "INVALID_INPUT"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class ScopeNotAllowed(Refusal):
    """Refusal of a caller that tried to grant ``scopes`` that it does not hold itself, sorted.

    :param doing: what it tried with a token that already holds them, such as ``prolong``.
    :param gone: whether the names mean nothing now, so that it is not known what they will give if they come back.
    """

    code = "SCOPE_NOT_ALLOWED"

    def __init__(self, scopes: Iterable[str], doing: str | None = None, *, gone: bool = False) -> None:
        self.scopes = tuple(sorted(scopes))
        names = ", ".join(self.scopes)
        what = "grant" if doing is None else f"{doing} a token that holds"
        if gone:
            reason = f"You cannot {what} roles or scopes that no longer exist here: {names}. Choose other grants first."
        else:
            reason = f"You cannot {what} scopes that you do not hold: {names}."
        super().__init__(reason)


class PlanLimit(Refusal):
    """Refusal of something that the plan does not include."""

    code = "PLAN_LIMIT"

    def __init__(self, plan: str, reason: str) -> None:
        super().__init__(reason)
        self.plan = plan


class Conflict(Refusal):
    """Refusal by an object whose state does not allow this.

    ``successor_id`` is the id of the token that replaced it, if there is one.
    """

    code = "CONFLICT"

    def __init__(self, reason: str, successor_id: str | None = None) -> None:
        super().__init__(reason)
        self.successor_id = successor_id


class SignInFailed(Refusal):
    """Refusal of a sign-in: an unknown name and a wrong password look the same."""

    code = "SIGN_IN_FAILED"

    def __init__(self) -> None:
        super().__init__("The sign-in name or password is wrong.")


class TooManyAttempts(Refusal):
    """Refusal until ``retry_after_seconds`` have passed."""

    code = "TOO_MANY_ATTEMPTS"

    def __init__(self, retry_after_seconds: int) -> None:
        unit = "second" if retry_after_seconds == 1 else "seconds"
        super().__init__(f"Too many attempts. Try again in {retry_after_seconds} {unit}.")
        self.retry_after_seconds = retry_after_seconds
