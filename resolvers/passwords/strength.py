"""Password strength: the number of characters left after removing what attackers guess first.

A password is covered, piece by piece, by common words (:mod:`~spacekey.resolvers.passwords.common_words`), by words
about its owner and this service, and by patterns: keyboard walks, runs, repetitions, dates. The uncovered rest is what
has to be guessed. There are no composition rules, and ordinary words cover nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

from .common_words import common_stems

OWN_WORDS_MAX = 500
WORD_LENGTH_MIN = 4
WORD_LENGTH_MAX = 40
REVERSED_LENGTH_MIN = 6
WALK_LENGTH_MIN, PAIRS_LENGTH_MIN = 4, 6
RUN_LENGTH_MIN = 4
ALIKE_LENGTH_MIN = 3
COPY_LENGTH_MIN, COPY_LENGTH_MAX = 4, 16

_SEPARATORS = re.compile(r"[\s._-]+")
_WORD = re.compile(r"[^\W_]+")
_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATES = tuple(
    re.compile(form, re.ASCII) for form in (_YEAR, _DAY + _MONTH + _YEAR, _MONTH + _DAY + _YEAR, _YEAR + _MONTH + _DAY)
)
_AS_LETTERS = tuple(str.maketrans("4@031!5$7+8", f"aaoe{one}{one}ssttb") for one in "il")
_UNSHIFTED = str.maketrans("!@#$%^&*()", "1234567890")
_ROWS = (
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
)
_COLUMNS = ("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,", "9ol.")
_ZIGZAGS = (
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "qawsedrftgyhujikolp",
    "azsxdcfvgbhnjmk",
    "1a2b3c4d5e6f7g8h9i",
)


def left_over(password: str, about: Iterable[str] = ()) -> int:
    """Return the number of characters that no common word or pattern covers; spaces, dots and hyphens do not count.

    :param about: texts about the owner and the service (names, addresses), whose words cover too.
    """
    text = _SEPARATORS.sub("", password.casefold())
    words = common_stems() | _own_words(about)
    spellings = (text, *(text.translate(one) for one in _AS_LETTERS))
    keys = text.translate(_UNSHIFTED)
    left = list(range(len(text) + 1))
    for start in range(len(text)):
        left[start + 1] = min(left[start + 1], left[start] + 1)
        for end in _piece_ends(start, text, spellings, keys, words):
            left[end] = min(left[end], left[start])
    return left[-1]


def _piece_ends(start: int, text: str, spellings: tuple[str, ...], keys: str, words: frozenset[str]) -> Iterator[int]:
    yield from _word_ends(start, spellings, words)
    yield from _walk_ends(start, keys)
    yield from _run_ends(start, text)
    yield from _copy_ends(start, text)
    for date in _DATES:
        found = date.match(text, start)
        if found is not None:
            yield found.end()


def _word_ends(start: int, spellings: tuple[str, ...], words: frozenset[str]) -> Iterator[int]:
    for end in range(start + WORD_LENGTH_MIN, min(start + WORD_LENGTH_MAX, len(spellings[0])) + 1):
        for text in spellings:
            piece = text[start:end]
            if piece in words or (len(piece) >= REVERSED_LENGTH_MIN and piece[::-1] in words):
                yield end
                break


def _walk_ends(start: int, keys: str) -> Iterator[int]:
    for length in (WALK_LENGTH_MIN, PAIRS_LENGTH_MIN):
        end = start + length
        while end <= len(keys) and keys[end - length : end] in _walks():
            yield end
            end += 1


def _run_ends(start: int, text: str) -> Iterator[int]:
    """Yield the ends of runs up or down by one, and of repetitions of one character."""
    if start + 1 >= len(text):
        return
    step = ord(text[start + 1]) - ord(text[start])
    if step not in (-1, 0, 1):
        return
    shortest = RUN_LENGTH_MIN if step else ALIKE_LENGTH_MIN
    for end in range(start + 2, len(text) + 1):
        one, two = text[end - 2], text[end - 1]
        if ord(two) - ord(one) != step or (step and not _same_kind(one, two)):
            return
        if end - start >= shortest:
            yield end


def _same_kind(one: str, two: str) -> bool:
    return (one.isdigit() and two.isdigit()) or (one.isalpha() and two.isalpha())


def _copy_ends(start: int, text: str) -> Iterator[int]:
    """Yield the ends of text that occurred earlier in the password."""
    for end in range(start + COPY_LENGTH_MIN, min(start + COPY_LENGTH_MAX, len(text)) + 1):
        if text[start:end] not in text[:start]:
            return
        yield end


def _own_words(about: Iterable[str]) -> frozenset[str]:
    """Return the words of the texts, and each text as one word."""
    found: set[str] = set()
    for text in about:
        parts = _WORD.findall(text.casefold())
        found.update(parts, ["".join(parts)])
        if len(found) > OWN_WORDS_MAX:
            break
    return frozenset(one for one in found if len(one) >= WORD_LENGTH_MIN)


@cache
def _walks() -> frozenset[str]:
    """Return runs of four adjacent keys, and of three doubled keys as in ``112233``, in both directions."""
    columns = ("".join(_COLUMNS), "".join(one[::-1] for one in _COLUMNS), "".join(one[1:] for one in _COLUMNS))
    pairs = ("".join(2 * one for one in line) for line in ("01234567890", "abcdefghijklmnopqrstuvwxyz", *_ROWS))
    walks = (_windows(line, WALK_LENGTH_MIN) for line in (*_ROWS, *columns, *_ZIGZAGS))
    return frozenset().union(*walks, *(_windows(line, PAIRS_LENGTH_MIN) for line in pairs))


def _windows(line: str, length: int) -> set[str]:
    ways = (line, line[::-1])
    return {way[start : start + length] for way in ways for start in range(len(line) - length + 1)}
