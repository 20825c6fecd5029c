"""Say that a response depends on the request's token (RFC 9110 §12.5.5), beside what it already says."""

from collections.abc import Sequence

Header = tuple[bytes, bytes]

VARY = (b"vary", b"Authorization")
"""For responses that say nothing else."""


def vary_on_authorization(headers: Sequence[Header]) -> list[Header]:
    """The headers with ``Authorization`` in ``Vary``; unchanged when it is there, or when ``Vary`` is ``*``.

    A new list: an app may send the same response to others, who were let in without a look at credentials.
    """
    merged = list(headers)
    named = [(place, value) for place, (name, value) in enumerate(merged) if name == b"vary"]
    if not named:
        return [*merged, VARY]
    present = {part.strip().lower() for _, value in named for part in value.split(b",")}
    if present & {b"*", b"authorization"}:
        return merged
    place, value = named[-1]
    merged[place] = (b"vary", value + b", Authorization" if value.strip() else b"Authorization")
    return merged
