"""Validation of input from people and programs. Each refusal names the field and the remedy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from spacekey.domain.actor import ACTOR_ID_LENGTH_MAX, is_actor_id
from spacekey.domain.clock import EXAMPLE_MOMENT
from spacekey.domain.external import FILLERS
from spacekey.domain.refusal import Fault, Faults, InputCode, InvalidInput
from spacekey.domain.suggest import known_instead, near

NAME_LENGTH_MAX = 200
DESCRIPTION_LENGTH_MAX = 2_000
REASON_LENGTH_MAX = 500
GRANTS_MAX = 100
BULK_MAX = 100
LIFETIME_SECONDS_MAX = 2**31 - 1

_REORDERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_MOMENT = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def clean_name(field: str, text: str) -> str:
    """Return a name of 1 to 200 characters, trimmed, without hidden characters and with at least one visible one.

    :raises InvalidInput: for any other text.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise InvalidInput(field, "Must not be empty.", InputCode.REQUIRED)
    if len(name) > NAME_LENGTH_MAX:
        raise InvalidInput(
            field, f"Must be at most {NAME_LENGTH_MAX} characters; this has {len(name)}.", InputCode.TOO_LONG
        )
    if has_control(name):
        raise InvalidInput(field, "Must not contain control characters or line breaks.", InputCode.INVALID_CHARACTERS)
    hidden = hidden_character(name)
    if hidden is not None:
        raise InvalidInput(
            field, f"Must not contain invisible characters; remove U+{ord(hidden):04X}.", InputCode.INVALID_CHARACTERS
        )
    if not shows_something(name):
        raise InvalidInput(
            field, "Must contain a visible character, such as a letter or a digit.", InputCode.INVALID_CHARACTERS
        )
    return name


def clean_text(field: str, text: str, length_max: int) -> str:
    """Return a longer text, which may contain line breaks and tabs.

    :raises InvalidInput: if it is too long or contains other control characters.
    """
    cleaned = unicodedata.normalize("NFC", text).strip()
    if len(cleaned) > length_max:
        raise InvalidInput(
            field, f"Must be at most {length_max} characters; this has {len(cleaned)}.", InputCode.TOO_LONG
        )
    if has_control(cleaned.replace("\n", "").replace("\r", "").replace("\t", "")):
        raise InvalidInput(field, "Must not contain control characters.", InputCode.INVALID_CHARACTERS)
    return cleaned


def clean_slug(field: str, text: str) -> str:
    """Return a slug: 1 to 63 of a-z, 0-9 and hyphens, as in a host name's label (RFC 1123 §2.1).

    :raises InvalidInput: for any other text.
    """
    if not is_slug(text):
        raise InvalidInput(
            field,
            "Use 1 to 63 lower-case letters, digits and inner hyphens, like 'my-project'.",
            InputCode.INVALID_FORMAT,
        )
    return text


def is_slug(text: str) -> bool:
    """Return whether a workspace or space can have this slug."""
    return _SLUG.fullmatch(text) is not None


def clean_actor_id(field: str, text: str) -> str:
    """Return the id of an actor to search for.

    :raises InvalidInput: if no actor can have it.
    """
    if not is_actor_id(text):
        raise InvalidInput(
            field,
            f"Write an id of 1 to {ACTOR_ID_LENGTH_MAX} visible characters, such as usr_… or key_….",
            InputCode.INVALID_FORMAT,
        )
    return text


def clean_moment(field: str, moment: datetime) -> datetime:
    """Return a time in UTC.

    :raises InvalidInput: if it has no time zone.
    """
    if moment.utcoffset() is None:
        raise InvalidInput(field, f"Give a time with its zone, like '{EXAMPLE_MOMENT}'.", InputCode.INVALID_FORMAT)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(field, "Give a time between the years 1 and 9999.", InputCode.OUT_OF_RANGE) from None


def parse_moment(field: str, text: str) -> datetime:
    """Return the time that an RFC 3339 text stands for, in UTC: the one parser for GraphQL, REST and the command line.

    Only the profile of RFC 3339 §5.6 is read, with ``T``, ``t`` or a space between date and time; the other forms of
    ISO 8601, such as ``2030-W01-1T12:00:00Z``, are not. Digits beyond microseconds are dropped; leap seconds (``:60``)
    cannot be stored and are refused.

    :raises InvalidInput: if the text is not such a time, has no time zone, or lies outside the years 1 to 9999.
    """
    if _MOMENT.fullmatch(text) is None:
        raise unreadable_moment(field)
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:  # a day that does not exist: 2030-02-30
        raise unreadable_moment(field) from None
    return clean_moment(field, moment)


def unreadable_moment(field: str) -> InvalidInput:
    """Return the error for a value that is not a time."""
    return InvalidInput(field, f"Is not a time; write '{EXAMPLE_MOMENT}'.", InputCode.INVALID_FORMAT)


def clean_grants(
    field: str, grants: Sequence[str], known: Iterable[str], roles: Collection[str] = frozenset()
) -> list[str]:
    """Return the grants without repetition, in the given order.

    :param roles: the roles among ``known``.
    :raises InvalidInput: if there are none, over 100, or some are unknown: all of these, with near matches.
    """
    if not grants:
        raise InvalidInput(field, "Give at least one scope.", InputCode.REQUIRED)
    if len(grants) > GRANTS_MAX:
        raise InvalidInput(field, f"Give at most {GRANTS_MAX}; this has {len(grants)}.", InputCode.TOO_MANY)
    names = frozenset(known)
    faults = Faults()
    for place, grant in enumerate(grants):
        if grant not in names:
            faults.add(Fault((field, str(place)), InputCode.UNKNOWN_VALUE, _unknown_grant(grant, names, roles)))
    faults.raise_found()
    return list(dict.fromkeys(grants))


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence for an unknown name, with near matches or, if there are none, all names if they are few."""
    shown = "".join(one if one.isprintable() else "?" for one in name[:100])
    return f"Unknown {what} '{shown}'.{known_instead(shown, known)}"


def _unknown_grant(grant: str, known: frozenset[str], roles: Collection[str]) -> str:
    """Return the sentence for an unknown grant; without a near match, a word without a colon is taken for a role."""
    nearest = near(grant, known, most=1)
    is_role = nearest[0] in roles if nearest else bool(roles) and ":" not in grant
    return unknown("role", grant, roles) if is_role else unknown("scope", grant, known)


def has_control(text: str) -> bool:
    """Return whether the text has control characters, lone surrogates, line separators or bidirectional controls."""
    # Cc control, Cs lone surrogates, Zl/Zp line and paragraph separators, Cf only where it reorders text
    return any(unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"} or one in _REORDERING for one in text)


JOINERS = "\u200c\u200d"
"""Joiners, which Persian and the scripts of India need; emoji are combined with the second."""

_JOINED_FROM = "\u0600"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
_BLANKS = FILLERS | frozenset("\u2800")


def hidden_character(text: str) -> str | None:
    """Return the first character of a text that is invisible and not allowed in a name, or None.

    These are control, format, surrogate, private and unassigned characters, line separators and fillers. Joiners are
    allowed between two characters of scripts that join and between two emoji; variation selectors are always allowed.
    """
    for place, one in enumerate(text):
        if one in FILLERS:
            return one
        if unicodedata.category(one) in _HIDDEN and not (one in JOINERS and _joins(text, place)):
            return one
    return None


def shows_something(text: str) -> bool:
    """Return whether the text has a visible letter, digit, sign or symbol."""
    return any(unicodedata.category(one)[0] in "LNPS" and one not in _BLANKS for one in text)


def _joins(text: str, place: int) -> bool:
    before, after = text[:place][-1:], text[place + 1 : place + 2]
    return all(
        one >= _JOINED_FROM and one not in JOINERS and unicodedata.category(one)[0] in "LMS" for one in (before, after)
    )
