"""E-mail addresses and sign-in names: which are accepted, which are the same, and how they are shown.

Two addresses are the same when their local parts agree in lower-cased NFC and their domains in ASCII (IDNA, RFC 5891).
They are stored in that form. Syntax is email-validator's; it refuses special-use domains and domains without a dot
whatever its options, and those are in use inside companies, so their local part is checked over a stand-in domain and
the domain by the rules of IDNA alone.
"""

from __future__ import annotations

import re
import unicodedata

import idna
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, ValidatedEmail, validate_email

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.ids import USER
from spacekey.domain.refusal import InvalidInput
from spacekey.models.tables.user import User

from .validation import has_control, hidden_character, shows_something

ADDRESS_LENGTH_MAX = 254
SHOWN_LENGTH_MAX = 254
UNPROVEN = " (unproven)"

NAME_LENGTH_MAX = 14
"""Of a sign-in name that is no address: fewer than a password has, so that one typed into the field of the name is
looked up nowhere."""

_STAND_IN = "stand-in.com"
_WRITE = "Write an e-mail address, like 'ada@example.com'."
_NAME = f"Use an e-mail address, or another name of 1 to {NAME_LENGTH_MAX} characters."
_LABELS = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII)
_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"})
"""Scripts that are written together, and beside Latin letters, without being mistaken for them."""


def clean_email(field: str, text: str) -> str:
    """Return an e-mail address in the form in which addresses are stored and compared.

    :raises InvalidInput: the text is no address, or holds characters that cannot be seen.
    """
    trimmed = unicodedata.normalize("NFC", text).strip()
    local, _, domain = trimmed.rpartition("@")
    if len(trimmed) > ADDRESS_LENGTH_MAX:
        raise InvalidInput(field, _WRITE)
    hidden = hidden_character(trimmed)
    if hidden is not None:
        raise InvalidInput(field, f"Must not contain characters that cannot be seen; take out U+{ord(hidden):04X}.")
    try:
        if _is_internal(domain):
            ascii_domain = _ascii_domain(domain)
            found = _validated(f"{local}@{_STAND_IN}")
        else:
            found = _validated(trimmed)
            ascii_domain = found.ascii_domain
    except (EmailNotValidError, idna.IDNAError, UnicodeError):
        raise InvalidInput(field, _WRITE) from None
    email = f"{unicodedata.normalize('NFC', found.local_part.lower())}@{ascii_domain.lower()}"
    if len(email) > ADDRESS_LENGTH_MAX:
        raise InvalidInput(field, _WRITE)
    return email


def shown_email(email: str) -> str:
    """Return a stored address as people read it.

    The domain is shown in its own script, and in ASCII (``xn--…``) where letters of several scripts could be mistaken
    for each other. What cannot be seen in an address of before is shown by its code point.
    """
    local, at, domain = email.rpartition("@")
    try:
        unicode_domain = idna.decode(domain) if "xn--" in domain else domain
    except (idna.IDNAError, UnicodeError):
        unicode_domain = domain
    whole = f"{local}{at}{domain if _mixes_scripts(unicode_domain) else unicode_domain}"
    return "".join(f"<U+{ord(one):04X}>" if hidden_character(one) else one for one in whole)


def shown_account(user: User) -> str:
    """Return what others read of an account: its address, and that it is unproven; the id where it has none."""
    if user.email is None:
        return user.id
    if user.email_proven_at is not None:
        return shown_email(user.email)[:SHOWN_LENGTH_MAX]
    return shown_email(user.email)[: SHOWN_LENGTH_MAX - len(UNPROVEN)] + UNPROVEN


def plain_name(actor: Actor) -> tuple[str, bool]:
    """Return an actor's name without the mark of an unproven address, and whether it had the mark.

    Names are kept as :func:`shown_account` gave them, so that what a person could not prove at that moment is part of
    the record. Only a person's name is read like that: a token may be called anything.
    """
    if actor.kind is ActorKind.PERSON and actor.name.endswith(UNPROVEN):
        return actor.name.removesuffix(UNPROVEN), True
    return actor.name, False


def clean_sign_in_name(field: str, text: str) -> str:
    """Return a sign-in name in the form in which names are stored and compared: case-folded NFC.

    A name with an ``@`` is an e-mail address, any other has at most 14 characters. None looks like an account's id,
    since ids sign in too.

    :raises InvalidInput: the text cannot be a sign-in name.
    """
    trimmed = unicodedata.normalize("NFC", text).strip()
    length_max = ADDRESS_LENGTH_MAX if "@" in trimmed else NAME_LENGTH_MAX
    if not 1 <= len(trimmed) <= length_max or not shows_something(trimmed):
        raise InvalidInput(field, _NAME)
    hidden = hidden_character(trimmed)
    if hidden is not None:
        raise InvalidInput(field, f"Must not contain characters that cannot be seen; take out U+{ord(hidden):04X}.")
    if any(one.isspace() for one in trimmed):
        raise InvalidInput(field, "Must not contain spaces.")
    name = _folded(clean_email(field, trimmed) if "@" in trimmed else trimmed)
    if name.startswith(f"{USER}_"):
        raise InvalidInput(field, f"Must not begin with '{USER}_': account ids do.")
    if len(name) > length_max:
        raise InvalidInput(field, _NAME)
    return name


def sign_in_name_of(email: str) -> str:
    """Return the sign-in name that is equal to a stored address."""
    return _folded(email)


def typed_sign_in_names(text: str) -> tuple[str, ...]:
    """Return the stored names that what was typed into the sign-in form can mean, the nearest first; perhaps none.

    The first is an address in lower case as it was typed: names from before there were sign-in names may not be folded.
    """
    trimmed = unicodedata.normalize("NFC", text).strip()
    if len(trimmed) > ADDRESS_LENGTH_MAX or has_control(trimmed) or any(one.isspace() for one in trimmed):
        return ()
    names = (trimmed.lower(),) if "@" in trimmed else ()
    try:
        return tuple(dict.fromkeys((*names, clean_sign_in_name("email", trimmed))))
    except InvalidInput:
        return names


def _validated(text: str) -> ValidatedEmail:
    return validate_email(
        text,
        check_deliverability=False,
        allow_smtputf8=True,
        allow_empty_local=False,
        allow_quoted_local=False,
        allow_domain_literal=False,
        allow_display_name=False,
        strict=True,
    )


def _is_internal(domain: str) -> bool:
    """Whether email-validator would refuse the domain for what it is used for, not for its syntax."""
    name = domain.lower().rstrip(".")
    return "." not in name or any(name == one or name.endswith(f".{one}") for one in SPECIAL_USE_DOMAIN_NAMES)


def _ascii_domain(domain: str) -> str:
    """The domain in ASCII (RFC 5891 §4.4), mapped before as UTS #46 §4 does."""
    mapped = idna.encode(domain, uts46=True, std3_rules=True).decode()
    if not _LABELS.fullmatch(mapped):
        raise idna.IDNAError(f"not a domain of letters, digits and hyphens: {mapped!r}")
    return mapped


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _mixes_scripts(domain: str) -> bool:
    letters = {unicodedata.name(one, "UNNAMED").split()[0] for one in domain if one.isalpha()}
    return len(letters - _ASIAN) > 1 or bool(letters & _ASIAN and letters - _ASIAN - {"LATIN"})
