"""Near matches for names people mistyped."""

from collections.abc import Iterable
from difflib import get_close_matches


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Up to ``most`` of the ``known`` names that resemble ``name``, best first."""
    return get_close_matches(name[:200], sorted(known), n=most, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'a' or 'b'?`` with a leading blank, or an empty string when nothing is near."""
    names = [f"'{match}'" for match in near(name, known)]
    return f" Did you mean {' or '.join(names)}?" if names else ""
