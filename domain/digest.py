"""SHA-256 of data as short as a secret.

``hashlib.sha256`` is OpenSSL's, which looks up its algorithm and sets up a context at every call. In a busy loop that
is nothing; in a server, where a trip through the kernel lies between two calls and the caches are cold, it was measured
at four times the cost of Python's own SHA-256 (4.5 µs against 1.2 µs at their fastest, 12 µs against 3 µs in the
median). Both compute the same; an interpreter that was built without its own uses OpenSSL's.
"""

import importlib
from typing import Any

_OWN = ("_sha2", "_sha256")
"""Python's own implementation: from 3.12 on, and in 3.11."""


def _sha256() -> Any:
    for name in _OWN:
        try:
            return importlib.import_module(name).sha256
        except (ImportError, AttributeError):
            continue
    return importlib.import_module("hashlib").sha256


new_sha256 = _sha256()
"""Same as :func:`hashlib.sha256`, for code in which every call counts; all other code uses :func:`sha256_of`."""


def sha256_of(data: bytes) -> bytes:
    """Return the SHA-256 (FIPS 180-4) of ``data``, 32 bytes."""
    digest: bytes = new_sha256(data).digest()
    return digest
