"""Output on terminals and in jobs whose locale is not UTF-8, and arguments that were typed in one that is.

``LC_ALL=POSIX`` with ``PYTHONUTF8=0`` (cron, minimal containers, CI) makes ASCII of standard output, on which a name
such as ``Émile`` or the ellipsis behind a prefix would end the command with a ``UnicodeEncodeError``.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Sequence

_ERRORS = "spacekey.readable"

_PLAIN = {"…": "...", "–": "-", "—": "-", "→": "->", "’": "'", "‘": "'", "“": '"', "”": '"', "•": "*", "·": "*"}
"""ASCII for the punctuation that the commands print themselves."""


def prepare_streams() -> None:
    """Make standard output and error write every character: in plain ASCII or escaped where the locale has it not."""
    codecs.register_error(_ERRORS, _readable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not writes_utf8(stream.encoding):
            stream.reconfigure(errors=_ERRORS)


def writes_utf8(encoding: str | None) -> bool:
    """Return whether text in this encoding can hold every character."""
    try:
        return codecs.lookup(encoding or "ascii").name == "utf-8"
    except LookupError:
        return False


def decoded_arguments(arguments: Sequence[str]) -> list[str]:
    """Return command line arguments read as UTF-8 where the locale could not decode their bytes (PEP 383)."""
    return [_decoded(one) for one in arguments]


def _decoded(argument: str) -> str:
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        return argument


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in text), error.end
