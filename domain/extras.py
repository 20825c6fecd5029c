"""Advice on what to install if a part of Spacekey is imported without the packages that it needs."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(requirement: str) -> Iterator[None]:
    """Surround imports of packages that only some installations have.

    :param requirement: the argument of ``pip install``, such as ``spacekey[remote]``.
    :raises ModuleNotFoundError: the original error, with what to install.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        text = f"'{package}' is not installed, and this part needs it: pip install '{requirement}'"
        raise ModuleNotFoundError(text, name=missing.name) from None
