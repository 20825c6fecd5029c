"""The secret: its shape and checksum, and what keeps it out of sight."""

import copy
import json
import logging
import pickle
import pprint
import re
import secrets
import traceback
import zlib
from collections import Counter
from dataclasses import asdict, dataclass
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.secret import (
    ENVIRONMENTS,
    SECRET_LENGTH_MAX,
    Secret,
    SecretFacts,
    checksum,
    is_secret_prefix,
    mint,
    parse,
    scanner_regex,
    secret_prefix_of,
)

# The secret's shape and checksum. What keeps it out of sight is in ``test_secret_masking.py``.


BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

secret_prefixes = st.from_regex(r"[a-z][a-z0-9]{1,15}", fullmatch=True)
environments = st.sampled_from(ENVIRONMENTS)


def minted(secret_prefix: str = "sp", environment: str = "live") -> Secret:
    return mint(secret_prefix, environment, secrets.token_bytes)


def counting(size: int) -> bytes:
    return bytes(range(size))


def test_shape_is_prefix_environment_38_digits() -> None:
    assert re.fullmatch(r"sp_live_[0-9A-Za-z]{38}", minted().reveal())
    assert re.fullmatch(r"em_test_[0-9A-Za-z]{38}", minted("em", "test").reveal())


def test_known_entropy_gives_a_known_secret() -> None:
    head = "sp_live_0123456789ABCDEFGHIJKLMNOPQRSTUV"
    assert mint("sp", "live", counting).reveal() == head + checksum(head)


def test_checksum_is_the_zero_padded_base62_crc32() -> None:
    for head in ("sp_live_x", "", "em_test_" + "0" * 32):
        digits = checksum(head)
        assert len(digits) == 6
        number = 0
        for digit in digits:
            number = number * 62 + BASE62.index(digit)
        assert number == zlib.crc32(head.encode())
    assert checksum("") == "000000"


@given(secret_prefixes, environments, st.binary(min_size=32, max_size=32))
def test_parse_undoes_mint(secret_prefix: str, environment: str, seed: bytes) -> None:
    usable = bytes(byte % 248 for byte in seed)
    assert parse(mint(secret_prefix, environment, lambda size: usable[:size])) == SecretFacts(
        secret_prefix, environment
    )


def test_every_single_character_change_is_refused() -> None:
    text = minted().reveal()
    for position, right in enumerate(text):
        for wrong in BASE62 + "_- ":
            if wrong != right:
                assert parse(Secret(text[:position] + wrong + text[position + 1 :])) is None


@given(secret_prefixes, environments, st.data())
def test_deletions_insertions_and_swaps_are_refused(secret_prefix: str, environment: str, data: st.DataObject) -> None:
    text = minted(secret_prefix, environment).reveal()
    at = data.draw(st.integers(0, len(text) - 2))
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    extra = data.draw(st.characters())
    for wrong in (text[:at] + text[at + 1 :], text[:at] + extra + text[at:], swapped):
        assert wrong == text or parse(Secret(wrong)) is None


@given(st.text(max_size=200))
def test_any_text_is_refused_without_raising(text: str) -> None:
    assert parse(Secret(text)) is None
    assert secret_prefix_of(Secret(text)) is None or text.isascii()


@given(st.text(max_size=SECRET_LENGTH_MAX + 1) | st.from_regex(r"[a-z_0-9]{1,90}", fullmatch=True))
def test_only_a_good_checksum_has_a_prefix_and_only_the_whole_shape_parses(head: str) -> None:
    if not head.isascii():
        return
    secret = Secret(head + checksum(head))
    facts, secret_prefix = parse(secret), secret_prefix_of(secret)
    fits = len(secret.reveal()) <= SECRET_LENGTH_MAX
    assert secret_prefix == (secret.reveal().partition("_")[0] if fits and not head.startswith("_") else None)
    assert facts is None or facts.secret_prefix == secret_prefix


@given(secret_prefixes, environments)
def test_whatever_parses_has_its_prefix_by_the_short_way_too(secret_prefix: str, environment: str) -> None:
    secret = minted(secret_prefix, environment)
    assert (secret_prefix_of(secret), parse(secret)) == (secret_prefix, SecretFacts(secret_prefix, environment))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text + "\0",
        lambda text: text.upper(),
        lambda text: text.lower(),
        lambda text: text.replace("live", "prod"),
        lambda text: text.replace("live", "test"),
        lambda text: text.replace("live", "LIVE"),
        lambda text: text.replace("sp_", "sq_"),
        lambda text: text.replace("sp_", "s_"),
        lambda text: text.replace("sp_", "4p_"),
        lambda text: text.replace("sp_", "_"),
        lambda text: text.replace("sp_", "p" * 17 + "_"),
        lambda text: text.replace("_", "-"),
        lambda text: text[:-1] + "\u0660",
        lambda text: text[:-1] + "\uff10",
        lambda text: text[:-1] + "\ud800",
        lambda text: text * 2,
        lambda text: text + "0" * SECRET_LENGTH_MAX,
        lambda text: "x" * 10_000_000,
    ],
)
def test_malformed_secrets_are_refused(change: object) -> None:
    assert callable(change)
    text = mint("sp", "live", lambda size: bytes(range(10, 10 + size))).reveal()  # with capitals and small letters
    assert parse(Secret(text)) == SecretFacts("sp", "live")
    assert parse(Secret(change(text))) is None
    assert secret_prefix_of(Secret(change(text))) is None


def test_longest_prefix_still_fits_the_length_bound() -> None:
    secret = minted("p" * 16, "test")
    assert len(secret.reveal()) <= SECRET_LENGTH_MAX
    assert parse(secret) == SecretFacts("p" * 16, "test")


def test_bytes_that_would_bias_the_digits_are_thrown_away() -> None:
    def biased(size: int) -> bytes:
        return bytes([248, 255, 61] * size)[:size]

    assert mint("sp", "live", biased).reveal()[8:40] == "z" * 32


def test_all_bytes_map_evenly_to_digits() -> None:
    """Of the 256 byte values, each of the 62 digits is made by exactly four."""
    made: Counter[str] = Counter()
    for byte in range(256):
        try:
            made[mint("sp", "live", lambda size, byte=byte: bytes([byte]) * size).reveal()[8]] += 1  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
        except ValueError:
            made["thrown away"] += 1
    assert made == {**dict.fromkeys(BASE62, 4), "thrown away": 8}


@pytest.mark.parametrize("broken", [b"", b"\xff" * 32])
def test_broken_randomness_is_an_error_not_an_endless_loop(broken: bytes) -> None:
    with pytest.raises(ValueError, match="randomness"):
        mint("sp", "live", lambda size: broken)


def test_digits_of_real_secrets_are_spread_evenly() -> None:
    """Chi-square over 62,000 digits with 61 degrees of freedom: above 160 once in far more than 10**9 runs."""
    digits = "".join(minted().reveal()[8:40] for _ in range(2_000))[:62_000]
    counts = Counter(digits)
    assert sum((counts[digit] - 1_000) ** 2 / 1_000 for digit in BASE62) < 160


def test_secrets_do_not_repeat() -> None:
    assert len({minted().reveal() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("secret_prefix", ["", "s", "Sp", "1p", "s-p", "s_p", "p" * 17, "sp\n", "ſp", "sp ", "pé"])
def test_wrong_prefixes_are_not_minted(secret_prefix: str) -> None:
    assert not is_secret_prefix(secret_prefix)
    with pytest.raises(ValueError, match="secret prefix"):
        mint(secret_prefix, "live", secrets.token_bytes)


@pytest.mark.parametrize("secret_prefix", [None, 7, b"sp", ["sp"]])
def test_what_is_no_text_is_no_secret_prefix(secret_prefix: object) -> None:
    assert not is_secret_prefix(secret_prefix)


@pytest.mark.parametrize("environment", ["", "Live", "prod", "live ", "live\n"])
def test_wrong_environments_are_not_minted(environment: str) -> None:
    with pytest.raises(ValueError, match="environment"):
        mint("sp", environment, secrets.token_bytes)


@pytest.mark.parametrize(
    "text", ["{}", "key={}", '"{}"', "Bearer {}", "?token={}&x=1", "<{}>", "({})", "{},", "a\n{}\nb", "`{}`.", "é={}"]
)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_scanner_finds_secrets_in_text(text: str, environment: str) -> None:
    secret = minted("sp", environment).reveal()
    assert re.findall(scanner_regex("sp"), text.format(secret)) == [secret]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text + "_x",
        lambda text: "x" + text,
        lambda text: text.replace("live", "prod"),
        lambda text: text.replace("sp_", "ts_"),
        lambda text: text.replace("sp_", "SP_"),
        lambda text: text[:20] + "-" + text[21:],
        lambda text: "sp_live_…",
        lambda text: "sp_live_",
    ],
)
def test_scanner_passes_over_near_misses(change: object) -> None:
    assert callable(change)
    assert re.search(scanner_regex("sp"), f"key = {change(minted().reveal())}.") is None


@given(secret_prefixes, environments)
def test_scanner_of_a_prefix_finds_every_secret_of_it(secret_prefix: str, environment: str) -> None:
    assert re.fullmatch(scanner_regex(secret_prefix), minted(secret_prefix, environment).reveal())


# A secret is seen only through ``reveal()``.


@dataclass(frozen=True)
class Holder:
    name: str
    secret: Secret


@pytest.fixture
def secret() -> Secret:
    return mint("sp", "live", secrets.token_bytes)


def random_part(secret: Secret) -> str:
    """What must be seen nowhere: all after the 12 characters that lists may show."""
    return secret.reveal()[12:]


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        "{}".format,
        "{!r:>80}".format,
        "{:.200}".format,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r}",
        lambda secret: f"{secret!s:<60}",
        lambda secret: f"{secret=}",
        lambda secret: "%s" % secret,  # noqa: UP031  # the old operator is what is tried here
        lambda secret: "%r" % (secret,),  # noqa: UP031  # the old operator is what is tried here
        lambda secret: str([secret]),
        lambda secret: str({"key": secret}),
        lambda secret: repr(Holder("a", secret)),
        lambda secret: pprint.pformat({"key": [Holder("a", secret)]}),
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: str(ValueError(secret)),
        lambda secret: repr(KeyError(secret)),
    ],
)
def test_nothing_that_shows_a_secret_shows_more_than_its_prefix(show: object, secret: Secret) -> None:
    assert callable(show)
    shown = show(secret)
    assert secret.prefix in shown
    assert random_part(secret)[:4] not in shown.replace(secret.prefix, "")


def test_repr_is_the_masked_prefix(secret: Secret) -> None:
    assert repr(secret) == f"Secret('{secret.reveal()[:12]}…')"


def test_logging_shows_only_the_prefix(secret: Secret, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("app").info("got %s and %r", secret, {"key": secret}, extra={"token": secret})
    assert secret.prefix in caplog.text
    assert random_part(secret) not in caplog.text + str([vars(record) for record in caplog.records])


def test_a_traceback_with_locals_shows_only_the_prefix(secret: Secret) -> None:
    def fails(key: Secret) -> None:
        raise LookupError(f"nothing for {key}")

    with pytest.raises(LookupError) as caught:
        fails(secret)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert f"key = {secret!r}" in shown
    assert random_part(secret) not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_never_pickled(secret: Secret, protocol: int) -> None:
    for thing in (secret, Holder("a", secret)):
        with pytest.raises(TypeError, match="never pickled") as caught:
            pickle.dumps(thing, protocol)
        assert random_part(secret) not in str(caught.value)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, lambda secret: asdict(Holder("a", secret))])
def test_a_secret_is_never_copied(secret: Secret, copier: object) -> None:
    assert callable(copier)
    with pytest.raises(TypeError, match="never pickled"):
        copier(secret)


@pytest.mark.parametrize("dump", [json.dumps, vars, dict, list, bytes, len])
def test_a_secret_turns_into_nothing_by_accident(secret: Secret, dump: object) -> None:
    assert callable(dump)
    with pytest.raises(TypeError) as caught:
        dump(secret)
    assert random_part(secret) not in str(caught.value)


@given(st.text(max_size=60))
def test_what_has_no_secrets_shape_shows_nothing_at_all(text: str) -> None:
    """A password that was typed into the wrong field may be all in its first 12 characters."""
    assert Secret(text).prefix == ""
    assert repr(Secret(text)) == str(Secret(text)) == "Secret('…')"


def test_prefix_is_the_first_12_characters(secret: Secret) -> None:
    assert secret.prefix == secret.reveal()[:12]
    assert secret.prefix.startswith("sp_live_")


def test_digest_is_sha256_of_the_whole_string(secret: Secret) -> None:
    assert secret.digest() == sha256(secret.reveal().encode()).digest()


def test_digest_takes_any_text() -> None:
    assert len(Secret("\ud800").digest()) == 32
    assert Secret("\ud800").digest() != Secret("?").digest()


def test_secrets_are_equal_by_text_and_never_equal_to_a_string(secret: Secret) -> None:
    same = Secret(secret.reveal())
    assert secret == same
    assert hash(secret) == hash(same)
    assert secret != Secret(secret.reveal() + "0")
    assert secret != secret.reveal()
    assert {secret: 1}[same] == 1
