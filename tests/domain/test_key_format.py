"""Formats of imported keys: none has a string in common with our own secrets, and weak ones are not declared at all."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.errors import ProductError
from spacekey.domain.key_format import ALPHABETS, OWN_SECRETS, KeyFormat, KeyFormats, KeyHash, stored_digest
from spacekey.domain.product_file import load_products, parse_product
from spacekey.domain.refusal import InputCode, InvalidInput
from spacekey.domain.secret import Secret, mint, parse
from support.imported import SYSTEMS, another, spooled_text, spooled_with
from support.world import EXAMPLES

OURS = re.compile(r"[a-z][a-z0-9]{1,15}_(?:live|test)_[0-9A-Za-z]{38}")
_WORD = st.text("abz09_ZLlivetsx-.", max_size=8)


@st.composite
def formats(draw: st.DrawFn) -> KeyFormat:
    prefix = draw(_WORD | st.sampled_from(["sp_live_", "ab_test_", "sp_live", "a"]))
    alphabet = draw(st.sampled_from([*ALPHABETS.values(), ALPHABETS["base62"] + "_"]))
    length = len(prefix) + draw(st.integers(1, 70))
    return KeyFormat("f", prefix, alphabet, length, length + draw(st.integers(0, 2)))


@given(formats(), st.data())
def test_a_format_that_does_not_overlap_matches_none_of_our_secrets(made: KeyFormat, data: st.DataObject) -> None:
    ours = data.draw(st.from_regex(OURS, fullmatch=True))
    theirs = made.prefix + data.draw(st.text(made.alphabet, min_size=1, max_size=60))
    if not made.overlaps(OWN_SECRETS):
        assert not made.matches(ours)
        assert not (made.matches(theirs) and OURS.fullmatch(theirs))


@given(formats())
def test_a_format_that_overlaps_has_a_string_that_looks_like_ours(made: KeyFormat) -> None:
    """The check refuses no more than it must."""
    if made.overlaps(OWN_SECRETS):
        common = next(
            "".join(min(one & two) for one, two in zip(mine, theirs, strict=True))
            for mine in made.positions()
            for theirs in OWN_SECRETS.positions()
            if len(mine) == len(theirs) and all(one & two for one, two in zip(mine, theirs, strict=True))
        )
        assert made.matches(common)
        assert OURS.fullmatch(common)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_digest_of_a_key_is_that_of_its_hash_however_it_is_written(system: str) -> None:
    other = another(system)
    made = spooled_with().key_formats[other.format]
    assert made.matches(other.key)
    assert parse(Secret(other.key)) is None
    assert made.read_hash("hash", other.hash) == made.digest(other.key)
    assert KeyFormats([made]).digest(Secret(other.key)) == made.digest(other.key)
    assert made.digest(other.key[:-1] + ("2" if other.key[-1] != "2" else "3")) != made.digest(other.key)


def test_bytes_that_a_hexadecimal_key_stands_for_are_hashed_as_knox_4_did() -> None:
    made = KeyFormat("knox", "", ALPHABETS["hex"], 64, 64, hash=KeyHash.SHA512_OF_BYTES)
    assert made.digest("ab" * 32) == made.read_hash("hash", hashlib.sha512(b"\xab" * 32).hexdigest())


@pytest.mark.parametrize(
    "text",
    [
        "pbkdf2_sha256$600000$salt$" + "a" * 44,
        "$2b$12$" + "a" * 53,
        "bcrypt$$2b$12$x",
        "$argon2id$v=19$m=65536,t=3,p=4$salt$hash",
        "argon2$argon2id$v=19",
        "scrypt$16384$8$1$x",
        "$6$salt$hash",
        "sha256$salt$" + "a" * 64,
    ],
)
def test_slow_and_salted_hashes_are_refused_with_words(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        spooled_with().key_formats["hexadecimal"].read_hash("hash", text)
    assert refused.value.faults[0].code is InputCode.NOT_ALLOWED
    assert "cannot be imported" in str(refused.value)
    assert text not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "a" * 63, "g" * 64, "a" * 128, "é" * 32, "sha512$$" + "a" * 64, "a" * 64 + "\n", "=" * 44]
)
def test_what_is_no_such_hash_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        spooled_with().key_formats["hexadecimal"].read_hash("hash", text)


BAD = {
    "fewer than 128": 'alphabet = "hex"\nlength = 31',
    "random bits": 'alphabet = "base62"\nlength = 30\npublic = 9',
    "look like Spacekey's own": 'prefix = "zz_live_"\nalphabet = "base62"\nlength = 46',
    "Spacekey's own secrets": 'alphabet = "base64url"\nlength = 46',
    "begin like this": 'prefix = "sp_"\nalphabet = "hex"\nlength = 67',
    "unknown hash 'bcrypt'": 'alphabet = "hex"\nlength = 64\nhash = "bcrypt"',
    "unknown alphabet 'base59'": 'alphabet = "base59"\nlength = 64',
    "write hex": 'alphabet = "abc def"\nlength = 64',
    "Bearer token": 'prefix = "a b"\nalphabet = "hex"\nlength = 64',
    "length of a key": 'alphabet = "hex"\nlength = 201',
    "at most 2 apart": 'alphabet = "hex"\nlength = [60, 63]',
    "whole number": 'alphabet = "hex"\nlength = "64"',
    "unknown key": 'alphabet = "hex"\nlength = 64\nlenght = 3',
    "only keys in hexadecimal": 'alphabet = "base62"\nlength = 64\nhash = "sha512-of-bytes"',
    "is missing": "length = 64",
}


@pytest.mark.parametrize("reason", BAD)
def test_a_format_that_cannot_be_is_refused_when_the_product_is_read(reason: str, tmp_path: Path) -> None:
    file = tmp_path / "spooled.toml"
    file.write_text(spooled_text(f"\n[key_formats.bad]\n{BAD[reason]}\n"))
    with pytest.raises(ProductError, match=re.escape(reason)):
        load_products([file])


def test_formats_and_secret_prefixes_of_all_products_are_told_apart(tmp_path: Path) -> None:
    emit, spooled = (tmp_path / name for name in ("emit.toml", "spooled.toml"))
    hexadecimal = '\n[key_formats.old]\nalphabet = "hex"\nlength = 64\n'
    spooled.write_text(spooled_text(hexadecimal))
    emit.write_text((EXAMPLES / "emit.toml").read_text() + hexadecimal)
    assert load_products([emit, spooled])["emit"].key_formats
    emit.write_text((EXAMPLES / "emit.toml").read_text() + hexadecimal + 'hash = "sha512"\n')
    with pytest.raises(ProductError, match="hashed otherwise"):
        load_products([emit, spooled])
    prefix = parse_product((EXAMPLES / "emit.toml").read_text(), "emit.toml").secret_prefix
    spooled.write_text(spooled_text(f'\n[key_formats.old]\nprefix = "{prefix}_"\nalphabet = "hex"\nlength = 64\n'))
    emit.write_text((EXAMPLES / "emit.toml").read_text())
    for order in ([emit, spooled], [spooled, emit]):
        with pytest.raises(ProductError, match="begin like this"):
            load_products(order)


def test_a_prefix_in_a_list_never_tells_too_much() -> None:
    made = spooled_with().key_formats["unkey"]
    assert made.shown_prefix("prefix", None, 12) == "acme_"
    assert made.shown_prefix("prefix", "acme_3Zab", 12) == "acme_3Zab"
    for text in ("acme_3ZabDEF", "sp_live_", "acme_0", "other"):
        with pytest.raises(InvalidInput):
            made.shown_prefix("prefix", text, 12)


def test_our_own_secrets_are_of_no_declared_format() -> None:
    known = KeyFormats(spooled_with().key_formats.values())
    for prefix in ("sp", "acme", "ak", "old"):
        assert known.match(mint(prefix, "live", secrets.token_bytes)) is None
    assert stored_digest(bytes(32)) == bytes(32)
