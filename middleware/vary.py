"""Say what of the request a response was decided by (RFC 9110 §12.5.5), beside what it already says."""

from collections.abc import Sequence

Header = tuple[bytes, bytes]

VARY = (b"vary", b"Authorization")
"""For a response that was decided by a token, or by its absence."""
VARY_BY_COOKIE = (b"vary", b"Authorization, Cookie")
"""For one that the app's ``fallback`` was asked about."""
VARY_BY_ORIGIN = (b"vary", b"Authorization, Cookie, Origin, Sec-Fetch-Site")
"""For one that also needed an allowed origin."""


def varying(headers: Sequence[Header], vary: Header) -> list[Header]:
    """Return the headers with the names of ``vary`` in ``Vary``, those that are not there yet; none if it is ``*``.

    A new list: an app may send the same response to others, who were let in without a look at credentials.
    """
    merged = list(headers)
    named = [(place, value) for place, (name, value) in enumerate(merged) if name == b"vary"]
    if not named:
        return [*merged, vary]
    present = {part.strip().lower() for _, value in named for part in value.split(b",")}
    missing = [name for name in vary[1].split(b", ") if name.lower() not in present]
    if b"*" in present or not missing:
        return merged
    place, value = named[-1]
    merged[place] = (b"vary", b", ".join([value, *missing] if value.strip() else missing))
    return merged
