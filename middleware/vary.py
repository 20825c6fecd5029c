"""Say that a response depends on the request's token (RFC 9110 §12.5.5), beside what it already says."""

from collections.abc import Sequence

Header = tuple[bytes, bytes]

_VARY = (b"vary", b"Authorization")


def vary_on_authorization(headers: Sequence[Header], added: Sequence[Header] = ()) -> list[Header]:
    """The headers with ``Authorization`` in ``Vary``; unchanged when it is there, or when ``Vary`` is ``*``.

    :param added: put behind them.

    A new list: an app may send the same response to others, who were let in without a look at credentials.
    """
    merged = [*headers, *added, _VARY]
    for name, _ in headers:
        if name == b"vary":
            return _merged(merged[:-1])
    return merged


def _merged(merged: list[Header]) -> list[Header]:
    named = [(place, value) for place, (name, value) in enumerate(merged) if name == b"vary"]
    present = {part.strip().lower() for _, value in named for part in value.split(b",")}
    if present & {b"*", b"authorization"}:
        return merged
    place, value = named[-1]
    merged[place] = (b"vary", value + b", Authorization" if value.strip() else b"Authorization")
    return merged
