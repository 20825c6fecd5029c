"""Whether a name can be seen: nothing in it hides, and something in it shows."""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"
"""Persian and the scripts of India join and part letters with them, and emoji are put together with the second."""

_JOINED_FROM = "\u0600"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks by category, and nothing to the eye: the grapheme joiner and fillers of Hangul and Khmer."""

_BLANKS = _FILLERS | frozenset("\u2800")


def hidden_character(text: str) -> str | None:
    """The first character that cannot be seen and has no business in a name, None when there is none.

    Those are control, format, surrogate, private and unassigned characters, line separators and fillers. Joiners may
    stand between two characters of scripts that join, or between two emoji; variation selectors anywhere.
    """
    for place, one in enumerate(text):
        if one in _FILLERS:
            return one
        if unicodedata.category(one) in _HIDDEN and not (one in JOINERS and _joins(text, place)):
            return one
    return None


def shows_something(text: str) -> bool:
    """Whether there is a letter, digit, sign or symbol in it that leaves ink."""
    return any(unicodedata.category(one)[0] in "LNPS" and one not in _BLANKS for one in text)


def _joins(text: str, place: int) -> bool:
    before, after = text[:place][-1:], text[place + 1 : place + 2]
    return all(
        one >= _JOINED_FROM and one not in JOINERS and unicodedata.category(one)[0] in "LMS" for one in (before, after)
    )
