"""Near matches for mistyped names."""

from collections.abc import Iterable

LISTED_MAX = 12
"""The most names that a message lists; more are no help."""


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return up to ``most`` of the ``known`` names that resemble ``name``, best first."""
    from difflib import get_close_matches  # only a mistake needs it, and every process imports this module

    return get_close_matches(name[:200], sorted(known), n=most, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'a' or 'b'?`` with a leading blank, or an empty string if nothing is near."""
    names = [f"'{match}'" for match in near(name, known)]
    return f" Did you mean {' or '.join(names)}?" if names else ""


def known_instead(name: str, known: Iterable[str]) -> str:
    """Return what to write instead of ``name``, with a leading blank.

    Near matches as :func:`did_you_mean`, else all names if they are few, else an empty string.
    """
    names = sorted(known)
    if hint := did_you_mean(name, names):
        return hint
    if not 0 < len(names) <= LISTED_MAX:
        return ""
    quoted = [f"'{one}'" for one in names]
    if len(quoted) == 1:
        return f" There is only {quoted[0]}."
    return f" There are {', '.join(quoted[:-1])} and {quoted[-1]}."
