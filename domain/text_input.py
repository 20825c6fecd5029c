"""Reader for text that people supply: files, standard input and environment variables.

Editors, shells and orchestrators add what the author never sees: a byte order mark, CR LF line ends, UTF-16 (``>`` in
Windows PowerShell 5), a final line break, a NUL. All of them are either read as they were meant or refused with a
sentence that says how to save the text; nothing invisible ends up in a secret, a setting or a product file.
"""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

from .errors import ConfigurationError

BYTE_ORDER_MARK = "\ufeff"
SETTING_BYTES_MAX = 65_536

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def decode_text(raw: bytes, source: str) -> str:
    """Return the text in ``raw`` without byte order mark, with ``\\n`` for every line end.

    UTF-8 is read with and without a mark, UTF-16 with one (Unicode 15.0, §23.8).

    :param source: what the bytes came from, for the error: a file's name, ``standard input``, a variable.
    :raises ConfigurationError: for another encoding, and for text that holds a NUL.
    """
    if raw.startswith(_UTF_32):
        raise ConfigurationError(f"{source}: is UTF-32; save it as UTF-8")
    encoding = "utf-16" if raw.startswith(_UTF_16) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        name = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise ConfigurationError(f"{source}: is not {name} at byte {error.start}; save it as UTF-8") from None
    if "\0" in text:
        raise ConfigurationError(f"{source}: holds a NUL character; save it as UTF-8 text")
    return text.replace("\r\n", "\n")


def one_line(text: str, source: str) -> str:
    """Return the one line in ``text``: a secret or a setting, without mark and line end.

    Blanks at either end are kept: a passphrase may begin with one.

    :param source: what the text came from, for the error; the text itself is never shown.
    :raises ConfigurationError: for several lines, or characters that no client could type or send.
    """
    line = _utf8(text).removeprefix(BYTE_ORDER_MARK)
    line = line.removesuffix("\n").removesuffix("\r")
    if "\n" in line or "\r" in line:
        raise ConfigurationError(f"{source}: holds several lines; write one")
    if any(unicodedata.category(one) in {"Cc", "Cs"} for one in line):
        raise ConfigurationError(f"{source}: holds control characters or is not UTF-8; write plain text in one line")
    return line


def _utf8(text: str) -> str:
    """Return the text of bytes that the locale could not decode (PEP 383).

    Environment variables hold such bytes under ``LC_ALL=POSIX``.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text


def read_file(path: Path, source: str, *, bytes_max: int = SETTING_BYTES_MAX) -> str:
    """Return the text of a file, read as :func:`decode_text` does.

    :param bytes_max: the largest file that is read, in bytes.
    :raises ConfigurationError: if it cannot be read, is larger, or is not text.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(bytes_max + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = error.strerror if isinstance(error, OSError) else "no file can have this name"
        raise ConfigurationError(f"{source}: cannot be read: {why}") from None
    if len(raw) > bytes_max:
        raise ConfigurationError(f"{source}: is over {bytes_max} bytes")
    return decode_text(raw, source)
