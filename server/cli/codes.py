"""Exit codes, and what a refusal looks like on a terminal."""

from __future__ import annotations

from spacekey.domain.errors import ConfigurationError, SpacekeyError, Unavailable
from spacekey.domain.refusal import NotFound

GOOD = 0
REFUSED = 1
USAGE = 2
UNAVAILABLE = 3

MEANING = "Exit codes: 0 good; 1 refused, not found or something wrong; 2 wrong usage or settings; 3 unavailable."

_FINDERS = {
    "token": "'spacekey token list WORKSPACE' shows the ids.",
    "member": "'spacekey member list WORKSPACE' shows who is one.",
    "space": "'spacekey space list WORKSPACE' shows them.",
    "workspace": "'spacekey workspace list' shows them.",
}


class Failure(SpacekeyError):
    """The command cannot do it; the message says what to do instead."""

    def __init__(self, message: str, code: int = REFUSED) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: SpacekeyError) -> int:
    """The exit code an expected error ends with."""
    match error:
        case Failure():
            return error.code
        case Unavailable():
            return UNAVAILABLE
        case ConfigurationError():
            return USAGE
    return REFUSED


def message_of(error: SpacekeyError) -> str:
    """The error in the words of the command line."""
    match error:
        case NotFound():
            return f"There is no such {error.what}. {_FINDERS.get(error.what, '')}".strip()
        case Unavailable():
            return f"Unavailable: {error}. {error.advice}" if error.may_have_changed else f"Unavailable: {error}."
    return str(error)
