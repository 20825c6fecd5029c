"""What to install when a part of Spacekey is imported without the packages that it stands on."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(requirement: str) -> Iterator[None]:
    """Around imports of what only some installations have.

    :param requirement: what ``pip install`` is to be told, such as ``spacekey[remote]``.
    :raises ModuleNotFoundError: the same, with what to do.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        text = f"'{package}' is not installed, and this part needs it: pip install '{requirement}'"
        raise ModuleNotFoundError(text, name=missing.name) from None
