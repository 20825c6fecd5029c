"""Near matches for names people mistyped."""

from collections.abc import Iterable

LISTED_MAX = 12
"""More names than these are no help in a message."""


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Up to ``most`` of the ``known`` names that resemble ``name``, best first."""
    from difflib import get_close_matches  # only a mistake needs it, and everybody imports this module

    return get_close_matches(name[:200], sorted(known), n=most, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'a' or 'b'?`` with a leading blank, or an empty string when nothing is near."""
    names = [f"'{match}'" for match in near(name, known)]
    return f" Did you mean {' or '.join(names)}?" if names else ""


def known_instead(name: str, known: Iterable[str]) -> str:
    """What to write instead of ``name``: near matches as :func:`did_you_mean`, else all names when they are few."""
    names = sorted(known)
    if hint := did_you_mean(name, names):
        return hint
    if not 0 < len(names) <= LISTED_MAX:
        return ""
    quoted = [f"'{one}'" for one in names]
    if len(quoted) == 1:
        return f" There is only {quoted[0]}."
    return f" There are {', '.join(quoted[:-1])} and {quoted[-1]}."
