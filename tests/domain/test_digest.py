"""The digest that is stored is SHA-256, whichever implementation computes it."""

import hashlib
import subprocess
import sys

import pytest

from spacekey.domain.digest import sha256_of


@pytest.mark.parametrize("size", [0, 1, 46, 55, 56, 63, 64, 65, 10_000])
def test_it_is_what_hashlib_says(size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    assert sha256_of(data) == hashlib.sha256(data).digest()


def test_the_standard_s_own_example() -> None:
    """FIPS 180-4's example "abc"."""
    assert sha256_of(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_interpreter_without_its_own_takes_openssl_s() -> None:
    code = """
import sys
for name in ("_sha2", "_sha256"):
    sys.modules[name] = None
from spacekey.domain import digest
print(digest.new_sha256.__name__, digest.sha256_of(b"abc").hex()[:8])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["openssl_sha256", "ba7816bf"]
