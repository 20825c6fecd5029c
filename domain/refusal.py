"""Expected refusals: resolvers raise them, so that transactions roll back, and interfaces turn them into values.

Refusal
├── NotFound           unknown, or not the caller's to see: the two look the same
├── Forbidden          the caller lacks management scopes
├── CredentialNotAllowed  this takes another kind of credential
├── InvalidInput       the input is wrong: every fault that was found, with its place and what to do about it
├── ScopeNotAllowed    the grants go beyond the caller's own effective scopes
├── PlanLimit          the workspace's plan does not include it
├── Conflict           the object is not in a state that allows it
├── PreconditionFailed the object is not as the client read it
├── SignInFailed       unknown name or wrong password: the two look the same
└── TooManyAttempts    sign-in is rate-limited
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType

from .errors import SpacekeyError
from .scope import OPERATOR_SCOPES


class InputCode(StrEnum):
    """What is wrong with one value of an input."""

    REQUIRED = "REQUIRED"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    UNKNOWN_VALUE = "UNKNOWN_VALUE"
    INVALID_TYPE = "INVALID_TYPE"
    INVALID_FORMAT = "INVALID_FORMAT"
    INVALID_CHARACTERS = "INVALID_CHARACTERS"
    INVALID_CURSOR = "INVALID_CURSOR"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    TOO_FEW = "TOO_FEW"
    TOO_MANY = "TOO_MANY"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    IN_PAST = "IN_PAST"
    EXCLUSIVE = "EXCLUSIVE"
    RESERVED = "RESERVED"
    NOT_ALLOWED = "NOT_ALLOWED"
    TOO_WEAK = "TOO_WEAK"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"


INPUT_CURES = {
    InputCode.REQUIRED: "Send the value; it must not be empty or null.",
    InputCode.UNKNOWN_FIELD: "Correct the name of the field, or leave it out.",
    InputCode.UNKNOWN_VALUE: "Choose one of the names that exist.",
    InputCode.INVALID_TYPE: "Send the JSON type that the reference names.",
    InputCode.INVALID_FORMAT: "Write the value in the format that the detail shows.",
    InputCode.INVALID_CHARACTERS: "Remove control characters and invisible characters.",
    InputCode.INVALID_CURSOR: "Send a cursor that the same list returned, with the same order.",
    InputCode.TOO_SHORT: "Send a longer text.",
    InputCode.TOO_LONG: "Send a shorter text.",
    InputCode.TOO_FEW: "Send more items.",
    InputCode.TOO_MANY: "Send fewer items at once.",
    InputCode.OUT_OF_RANGE: "Send a value within the bounds that the detail names.",
    InputCode.IN_PAST: "Send a time in the future.",
    InputCode.EXCLUSIVE: "Send one of the two fields.",
    InputCode.RESERVED: "Choose another name.",
    InputCode.NOT_ALLOWED: "Choose what the product, the plan and the workspace's policy allow.",
    InputCode.TOO_WEAK: "Choose a password of several unrelated words.",
    InputCode.IDEMPOTENCY_KEY_REUSED: "Send a new key for a new request.",
}
"""Code → what to do about it, for the references of all interfaces."""


class ConflictCode(StrEnum):
    """Why the state of an object does not allow a change."""

    ALREADY_ROTATED = "ALREADY_ROTATED"
    TOKEN_REVOKED = "TOKEN_REVOKED"  # noqa: S105 - no password
    TOKEN_DISABLED = "TOKEN_DISABLED"  # noqa: S105 - no password
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - no password
    TOKEN_DELETED = "TOKEN_DELETED"  # noqa: S105 - no password
    SLUG_TAKEN = "SLUG_TAKEN"
    EXTERNAL_ID_TAKEN = "EXTERNAL_ID_TAKEN"
    ADDRESS_TAKEN = "ADDRESS_TAKEN"
    OUTSIDE_IDENTITY = "OUTSIDE_IDENTITY"
    ADDRESS_UNUSABLE = "ADDRESS_UNUSABLE"
    ALREADY_MEMBER = "ALREADY_MEMBER"
    LAST_OWNER = "LAST_OWNER"
    ROLE_IN_USE = "ROLE_IN_USE"
    LIMIT_REACHED = "LIMIT_REACHED"
    WORKSPACE_SUSPENDED = "WORKSPACE_SUSPENDED"
    CONCURRENT_CHANGE = "CONCURRENT_CHANGE"
    IDEMPOTENCY_KEY_IN_USE = "IDEMPOTENCY_KEY_IN_USE"


CONFLICT_CURES = {
    ConflictCode.ALREADY_ROTATED: "Use or rotate the successor, whose id the answer names.",
    ConflictCode.TOKEN_REVOKED: "Create a new token: a revoked one stays revoked.",
    ConflictCode.TOKEN_DISABLED: "Enable the token first.",
    ConflictCode.TOKEN_EXPIRED: "Create a new token.",
    ConflictCode.TOKEN_DELETED: "Send a new idempotency key to create another token.",
    ConflictCode.SLUG_TAKEN: "Choose another slug.",
    ConflictCode.EXTERNAL_ID_TAKEN: "Find the object that has the external ID, or send another one.",
    ConflictCode.ADDRESS_TAKEN: "Use another address, or sign in to the account that has it.",
    ConflictCode.OUTSIDE_IDENTITY: "Sign in through the identity provider that the message names.",
    ConflictCode.ADDRESS_UNUSABLE: "The account's owner must enter an address first.",
    ConflictCode.ALREADY_MEMBER: "Change the member's role instead.",
    ConflictCode.LAST_OWNER: "Make another member an owner first.",
    ConflictCode.ROLE_IN_USE: "Give its holders another role first.",
    ConflictCode.LIMIT_REACHED: "Remove something first; the message names the maximum.",
    ConflictCode.WORKSPACE_SUSPENDED: "Resume the workspace first.",
    ConflictCode.CONCURRENT_CHANGE: "Read it again, then repeat the change if it is still needed.",
    ConflictCode.IDEMPOTENCY_KEY_IN_USE: "Repeat the request in a moment.",
}
"""Code → what to do about it, for the references of all interfaces."""


class UserError(SpacekeyError):
    """Root of the expected refusals. ``code`` is a stable word for machines, the message is for people."""

    code: str = "REFUSED"


class NotFound(UserError):
    """Refusal for an object that does not exist or is not the caller's to see: the two look the same."""

    code = "NOT_FOUND"

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}, or you have no access to it.")
        self.what = what


class Forbidden(UserError):
    """Refusal of a caller that lacks ``missing``, the smallest set of management scopes to add, sorted.

    :param reason: the reason, if no scope would help.
    :ivar reason: what to tell besides the scopes; None if they say all.
    """

    code = "INSUFFICIENT_SCOPE"

    def __init__(self, missing: Iterable[str], reason: str | None = None) -> None:
        self.missing = tuple(sorted(missing))
        names = ", ".join(self.missing)
        self.reason = reason
        if any(one in OPERATOR_SCOPES for one in self.missing):
            self.reason = f"This needs an operator credential: a service with more scopes: {names}."
        super().__init__(self.reason or (f"This needs more scopes: {names}." if names else "No role may do this."))


class CredentialNotAllowed(UserError):
    """Refusal of a valid caller whose kind of credential may not do this, whatever its scopes; says which kind may."""

    code = "FORBIDDEN"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of an input.

    :param path: the value's place, as names and positions from the outside: ``("grants", "1")``.
    :param reason: what is wrong and what to do about it, for people.
    """

    path: tuple[str, ...]
    code: InputCode
    reason: str

    @property
    def field(self) -> str:
        """The name of the outermost field."""
        return self.path[0]


class InvalidInput(UserError):
    """Refusal of an input with one or more faults.

    ``faults`` has all of them; ``field`` and ``reason`` are those of the first.
    """

    code = "INVALID_INPUT"

    def __init__(self, field: str, reason: str, code: InputCode) -> None:
        """Refuse one field.

        :param field: its name as the client knows it.
        :param reason: what to do about it.
        """
        self._hold((Fault((field,), code, reason),))

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> InvalidInput:
        """Return the refusal with these faults, of which there is at least one."""
        error = cls.__new__(cls)
        error._hold(tuple(faults))
        return error

    def _hold(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        self.field = faults[0].field
        self.reason = faults[0].reason
        super().__init__(" ".join(f"{one.field}: {one.reason}" for one in faults))


class Faults:
    """Collector of the faults of one input, so that the client learns all of them at once.

    As a context manager it keeps the faults of an :class:`InvalidInput` that its block raises, and goes on; after the
    last block, :meth:`raise_found` raises them together::

        faults = Faults()
        with faults:
            name = clean_name("name", given.name)
        with faults:
            grants = clean_grants("grants", given.grants, known)
        faults.raise_found()
    """

    def __init__(self) -> None:
        self._found: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Keep these faults."""
        self._found += faults

    def raise_found(self) -> None:
        """Raise all faults that were found.

        :raises InvalidInput: if there are any.
        """
        if self._found:
            raise InvalidInput.of(self._found)

    def __enter__(self) -> None:
        """Begin a block whose faults are kept."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        """Keep the faults of an :class:`InvalidInput`; let every other exception pass."""
        if not isinstance(error, InvalidInput):
            return False
        self.add(*error.faults)
        return True


class ScopeNotAllowed(UserError):
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


class PlanLimit(UserError):
    """Refusal of something that the plan does not include."""

    code = "PLAN_LIMIT"

    def __init__(self, plan: str, reason: str) -> None:
        super().__init__(reason)
        self.plan = plan


class Conflict(UserError):
    """Refusal by an object whose state does not allow this.

    :param code: which state that is.
    :param successor_id: the id of the token that replaced it, if there is one.
    """

    code = "CONFLICT"

    def __init__(self, reason: str, code: ConflictCode, successor_id: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.successor_id = successor_id


class PreconditionFailed(UserError):
    """Refusal of a change that the client made conditional on the object's state, which is another one now."""

    code = "PRECONDITION_FAILED"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The {what} is not as you read it. Read it again, then repeat the change if it is still needed."
        )


class SignInFailed(UserError):
    """Refusal of a sign-in: an unknown name and a wrong password look the same."""

    code = "SIGN_IN_FAILED"

    def __init__(self) -> None:
        super().__init__("The sign-in name or password is wrong.")


class TooManyAttempts(UserError):
    """Refusal until ``retry_after_seconds`` have passed."""

    code = "TOO_MANY_ATTEMPTS"

    def __init__(self, retry_after_seconds: int) -> None:
        unit = "second" if retry_after_seconds == 1 else "seconds"
        super().__init__(f"Too many attempts. Try again in {retry_after_seconds} {unit}.")
        self.retry_after_seconds = retry_after_seconds
