"""Which addresses are accepted, which are the same, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable

import email_validator
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacekey.domain.refusal import InvalidInput
from spacekey.resolvers.addresses import (
    ADDRESS_LENGTH_MAX,
    SHOWN_LENGTH_MAX,
    clean_email,
    clean_sign_in_name,
    shown_account,
    shown_email,
    sign_in_name_of,
    typed_sign_in_names,
)
from spacekey.resolvers.validation import hidden_character
from support.rows import NOW, a_user

SAME = [
    ("ada@example.com", [" Ada@EXAMPLE.com ", "ADA@example.com"]),
    ("ada@localhost", ["Ada@localhost", "ada@LOCALHOST"]),
    ("ada@tesla.test", ["ada@teſla.test", "ada@Tesla.Test", "ada@ｔｅｓｌａ.test"]),
    ("ada@tesla.com", ["ada@teſla.com"]),
    ("ada@xn--bcher-kva.example.com", ["ada@bücher.example.com", "ada@BU\u0308CHER.example.com"]),
    ("ada@xn--bcher-kva.corp.local", ["ada@bücher.corp.local"]),
    ("émile@example.com", ["e\u0301mile@example.com", "É" + "mile@example.com"]),
    ("straße@example.com", ["Straße@example.com"]),
]

REFUSED = [
    "",
    "nobody",
    "@example.com",
    "ada@",
    "ada@@example.com",
    "a b@example.com",
    "a..b@example.com",
    "<ada@example.com>",
    "Ada <ada@example.com>",
    '"ada"@example.com',
    "ada@[192.0.2.1]",
    "ada@192.0.2.1",
    "ada@-corp.test",
    "ada@corp-.test",
    "ada@cor_p.test",
    "ada@corp..test",
    "ada@corp.test.",
    "ada@" + "b" * 64 + ".test",
    "a" * 65 + "@example.com",
    "ada@exa mple.com",
    "ada@\ud800.test",
    "\ud83d@localhost",
]

HIDDEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u3164\u115f\u034f\u202e\u0000\u001b\ue000\U000e0041"


@pytest.mark.parametrize(("address", "spellings"), SAME)
def test_addresses_that_are_the_same_are_stored_alike(address: str, spellings: list[str]) -> None:
    assert {clean_email("email", one) for one in (address, *spellings)} == {address}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"like 'ada@example\.com'|invisible"):
        clean_email("email", text)


@pytest.mark.parametrize("one", HIDDEN)
@pytest.mark.parametrize("domain", ["example.com", "corp.test", "localhost"])
def test_what_cannot_be_seen_is_refused_anywhere(one: str, domain: str) -> None:
    for text in (f"own{one}er@{domain}", f"owner@{domain[:2]}{one}{domain[2:]}"):
        with pytest.raises(InvalidInput):
            clean_email("email", text)


def test_the_validators_own_list_is_as_it_was() -> None:
    before = list(email_validator.SPECIAL_USE_DOMAIN_NAMES)
    clean_email("email", "ada@corp.test")
    assert before == email_validator.SPECIAL_USE_DOMAIN_NAMES
    with pytest.raises(email_validator.EmailNotValidError):
        email_validator.validate_email("ada@corp.test", check_deliverability=False)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("ada@аcme.com", "ada@xn--cme-5cd.com"),
        ("ada@аcme.test", "ada@xn--cme-5cd.test"),
        ("ada@аррӏе.com", "ada@xn--80ak6aa92e.com"),
        ("ada@bücher.example.com", "ada@bücher.example.com"),
        ("ada@例え.jp", "ada@例え.jp"),
        ("ada@пример.рф", "ada@пример.рф"),
        ("ada@example.com", "ada@example.com"),
    ],
)
def test_a_domain_of_mixed_scripts_is_shown_in_ascii(typed: str, shown: str) -> None:
    assert shown_email(clean_email("email", typed)) == shown
    assert clean_email("email", shown) == clean_email("email", typed)


def test_what_cannot_be_seen_in_an_address_of_before_is_shown() -> None:
    assert shown_email("own\u200ber@example.com") == "own<U+200B>er@example.com"


def test_an_account_says_that_its_address_is_unproven() -> None:
    assert shown_account(a_user(email="a@b.c", email_proven_at=NOW)) == "a@b.c"
    assert shown_account(a_user(email="a@b.c")) == "a@b.c (unproven)"
    assert shown_account(a_user(id="usr_x", email=None)) == "usr_x"
    longest = clean_email("email", "a" * 64 + "@" + ".".join(["b" * 45] * 4) + ".test")
    shown = shown_account(a_user(email=longest))
    assert (len(shown) <= SHOWN_LENGTH_MAX, shown.endswith(" (unproven)")) == (True, True)


@pytest.mark.parametrize(
    "text", ["usr_1", "USR_" + "0" * 26, "a b", "", " ", "ad\u200ba", "x@", "@x", "a" * 255, "a" * 15, "\u3164"]
)
def test_what_cannot_be_a_sign_in_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        clean_sign_in_name("sign_in_name", text)


@pytest.mark.parametrize(
    "text", ["seven wooden boats at noon", "correct-horse-battery", "a b@example.com", "x" * 10_000, "a\0"]
)
def test_a_password_in_the_field_of_the_name_is_looked_up_nowhere(text: str) -> None:
    assert typed_sign_in_names(text) == ()


TEXTS = st.text(st.characters(exclude_categories=()), max_size=40) | st.builds(
    "{}@{}".format,
    st.text(max_size=10),
    st.sampled_from(["localhost", "bücher.test", "example.com"]) | st.text(max_size=9),
)


def accepted(clean: Callable[[str, str], str], text: str) -> str | None:
    """What the text is stored as, None when it is refused."""
    try:
        return clean("field", text)
    except InvalidInput:
        return None


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_whatever_is_accepted_is_stored_shown_and_typed_again(text: str) -> None:
    """Cleaning is idempotent, what is shown can be entered again, and a sign-in name is found by what was typed."""
    email = accepted(clean_email, text)
    if email is not None:
        assert len(email) <= ADDRESS_LENGTH_MAX
        assert hidden_character(email) is None
        assert clean_email("email", email) == email == clean_email("email", shown_email(email))
        assert clean_sign_in_name("n", email) == sign_in_name_of(email)
    name = accepted(clean_sign_in_name, text)
    if name is not None:
        assert clean_sign_in_name("n", name) == name
        assert typed_sign_in_names(text)[-1] == name
