"""E-mail addresses and sign-in names: validation, comparison and display.

Two addresses are equal if their local parts agree in lower-cased NFC and their domains in ASCII (IDNA, RFC 5891). They
are stored in that form. The syntax check is email-validator's, which always refuses special-use domains and domains
without a dot. Companies use both internally, so their local part is checked with a stand-in domain, and the domain by
the rules of IDNA alone.
"""

from __future__ import annotations

import re
import unicodedata

import idna
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, ValidatedEmail, validate_email

from spacekey.domain.actor import Actor, ActorKind
from spacekey.domain.ids import USER
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.models.tables.user import User

from .validation import has_control, hidden_character, shows_something

ADDRESS_LENGTH_MAX = 254
SHOWN_LENGTH_MAX = 254
UNPROVEN = " (unproven)"

NAME_LENGTH_MAX = 14
"""Maximum length of a sign-in name that is not an address.

It is shorter than any password, so that a password entered in the name field is not looked up.
"""

_STAND_IN = "stand-in.com"
_WRITE = "Write an e-mail address, like 'ada@example.com'."
_NAME = f"Use an e-mail address, or another name of 1 to {NAME_LENGTH_MAX} characters."
_LABELS = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII)
_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"})
"""Scripts that are combined with each other and with Latin letters without being confusable."""


def clean_email(field: str, text: str) -> str:
    """Return an e-mail address in the form in which addresses are stored and compared.

    :raises InvalidInput: if the text is not an address, or contains invisible characters.
    """
    trimmed = unicodedata.normalize("NFC", text).strip()
    local, _, domain = trimmed.rpartition("@")
    if len(trimmed) > ADDRESS_LENGTH_MAX:
        raise InvalidInput(field, _WRITE, InputCode.INVALID_FORMAT)
    hidden = hidden_character(trimmed)
    if hidden is not None:
        raise InvalidInput(
            field, f"Must not contain invisible characters; remove U+{ord(hidden):04X}.", InputCode.INVALID_CHARACTERS
        )
    try:
        if _is_internal(domain):
            ascii_domain = _ascii_domain(domain)
            found = _validated(f"{local}@{_STAND_IN}")
        else:
            found = _validated(trimmed)
            ascii_domain = found.ascii_domain
    except (EmailNotValidError, idna.IDNAError, UnicodeError):
        raise InvalidInput(field, _WRITE, InputCode.INVALID_FORMAT) from None
    email = f"{unicodedata.normalize('NFC', found.local_part.lower())}@{ascii_domain.lower()}"
    if len(email) > ADDRESS_LENGTH_MAX:
        raise InvalidInput(field, _WRITE, InputCode.INVALID_FORMAT)
    return email


def shown_email(email: str) -> str:
    """Return a stored address in its display form.

    The domain is shown in its own script, or in ASCII (``xn--…``) if it mixes scripts whose letters are confusable.
    Invisible characters in an old address are shown as code points.
    """
    local, at, domain = email.rpartition("@")
    try:
        unicode_domain = idna.decode(domain) if "xn--" in domain else domain
    except (idna.IDNAError, UnicodeError):
        unicode_domain = domain
    whole = f"{local}{at}{domain if _mixes_scripts(unicode_domain) else unicode_domain}"
    return "".join(f"<U+{ord(one):04X}>" if hidden_character(one) else one for one in whole)


def shown_account(user: User) -> str:
    """Return the display name of an account: its address, marked if unproven, or the id if it has no address."""
    if user.email is None:
        return user.id
    if user.email_proven_at is not None:
        return shown_email(user.email)[:SHOWN_LENGTH_MAX]
    return shown_email(user.email)[: SHOWN_LENGTH_MAX - len(UNPROVEN)] + UNPROVEN


def plain_name(actor: Actor) -> tuple[str, bool]:
    """Return an actor's name without the mark of an unproven address, and whether it had the mark.

    Names are kept as :func:`shown_account` gave them, so that the record shows what the person could not prove at the
    time. Only a person's name can have the mark: tokens may be given any name.
    """
    if actor.kind is ActorKind.PERSON and actor.name.endswith(UNPROVEN):
        return actor.name.removesuffix(UNPROVEN), True
    return actor.name, False


def clean_sign_in_name(field: str, text: str) -> str:
    """Return a sign-in name in the form in which names are stored and compared: case-folded NFC.

    A name with an ``@`` is an e-mail address; any other has at most 14 characters. A name cannot look like an account
    id, because ids are accepted for signing in too.

    :raises InvalidInput: if the text is not a valid sign-in name.
    """
    trimmed = unicodedata.normalize("NFC", text).strip()
    length_max = ADDRESS_LENGTH_MAX if "@" in trimmed else NAME_LENGTH_MAX
    if not 1 <= len(trimmed) <= length_max or not shows_something(trimmed):
        raise InvalidInput(field, _NAME, InputCode.INVALID_FORMAT)
    hidden = hidden_character(trimmed)
    if hidden is not None:
        raise InvalidInput(
            field, f"Must not contain invisible characters; remove U+{ord(hidden):04X}.", InputCode.INVALID_CHARACTERS
        )
    if any(one.isspace() for one in trimmed):
        raise InvalidInput(field, "Must not contain spaces.", InputCode.INVALID_CHARACTERS)
    name = _folded(clean_email(field, trimmed) if "@" in trimmed else trimmed)
    if name.startswith(f"{USER}_"):
        raise InvalidInput(field, f"Must not begin with '{USER}_': account ids begin with it.", InputCode.RESERVED)
    if len(name) > length_max:
        raise InvalidInput(field, _NAME, InputCode.INVALID_FORMAT)
    return name


def sign_in_name_of(email: str) -> str:
    """Return the sign-in name equal to a stored address."""
    return _folded(email)


def typed_sign_in_names(text: str) -> tuple[str, ...]:
    """Return the stored names that text entered in the sign-in form can mean, the closest first; possibly none.

    The first is an address in lower case as entered: names stored before sign-in names existed may not be folded.
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
    """Return whether email-validator refuses the domain because of its use, not its syntax."""
    name = domain.lower().rstrip(".")
    return "." not in name or any(name == one or name.endswith(f".{one}") for one in SPECIAL_USE_DOMAIN_NAMES)


def _ascii_domain(domain: str) -> str:
    """Return the domain in ASCII (RFC 5891 §4.4), mapped as in UTS #46 §4."""
    mapped = idna.encode(domain, uts46=True, std3_rules=True).decode()
    if not _LABELS.fullmatch(mapped):
        raise idna.IDNAError(f"not a domain of letters, digits and hyphens: {mapped!r}")
    return mapped


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _mixes_scripts(domain: str) -> bool:
    letters = {unicodedata.name(one, "UNNAMED").split()[0] for one in domain if one.isalpha()}
    return len(letters - _ASIAN) > 1 or bool(letters & _ASIAN and letters - _ASIAN - {"LATIN"})
