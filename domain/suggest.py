"""Near matches for mistyped names."""

from collections.abc import Iterable

LISTED_MAX = 12
"""The most names that a message lists; more are no help."""


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return up to ``most`` of the ``known`` names that resemble ``name``, best first."""
    from difflib import get_close_matches  # only a mistake needs it, and every process imports this module

    return get_close_matches(name[:200], sorted(known), n=most, cutoff=0.6)


def near_by_words(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return up to ``most`` of the ``known`` names whose words, separated by ``_``, resemble those of ``name``.

    A word counts by its letters, and an abbreviation, such as ``db`` for ``database``, as much as a near match. The
    same letters in another order are nearer still. Words that all names begin with say nothing and are left aside.
    """
    names = sorted(known)
    common = set(names[0].split("_")) if names else set()
    for one in names:
        common &= set(one.split("_"))
    wanted = [word for word in name[:200].lower().split("_") if word not in {one.lower() for one in common}]
    scores = {
        one: _likeness(wanted, [word for word in one.lower().split("_") if word.upper() not in common]) for one in names
    }
    found = sorted((one for one in names if scores[one] >= 0.6), key=lambda one: (-scores[one], one))
    return [one for one in found if scores[one] >= scores[found[0]] - 0.2][:most]


def _likeness(wanted: list[str], words: list[str]) -> float:
    """Return from 0 to 1 how well each wanted word is met by another word; words that are left over count little."""
    if not wanted or not words:
        return 0.0
    met = sum(max(_word_likeness(one, word) for word in words) for one in wanted) / len(wanted)
    return met - 0.02 * max(len(words) - len(wanted), 0)


def _word_likeness(one: str, word: str) -> float:
    from difflib import SequenceMatcher  # only a mistake needs it

    if sorted(one) == sorted(word):
        return 1.0 if one == word else 0.95  # letters in another order, such as ``prot`` for ``port``
    if len(one) >= 2 and one[0] == word[0]:
        letters = iter(word)
        if all(letter in letters for letter in one):
            return 0.9
    return SequenceMatcher(None, one, word).ratio()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'a' or 'b'?`` with a leading blank, or an empty string if nothing is near."""
    return _question(near(name, known))


def did_you_mean_setting(name: str, known: Iterable[str]) -> str:
    """Return :func:`did_you_mean` for names that are compared word by word, see :func:`near_by_words`."""
    return _question(near_by_words(name, known))


def _question(matches: list[str]) -> str:
    quoted = [f"'{match}'" for match in matches]
    return f" Did you mean {' or '.join(quoted)}?" if quoted else ""


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
