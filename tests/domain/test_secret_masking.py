"""A secret is seen only through ``reveal()``."""

import copy
import json
import logging
import pickle
import pprint
import secrets
import traceback
from dataclasses import asdict, dataclass
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacekey.domain.secret import Secret, mint


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
    """Somebody's password in the wrong field may be all in its first 12 characters."""
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
