"""The tree of Spacekey's own errors.

SpacekeyError
├── ConfigurationError   a setting, product or rule is wrong: raised at start-up, says what to change
│   ├── ProductError     a product file: names file, key and remedy
│   └── RuleError        a rule that cannot be compiled, or names an unknown scope
└── ServiceUnavailable          the store cannot be asked right now: becomes 503, never a denial or an acceptance
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class SpacekeyError(Exception):
    """Root of all errors that Spacekey raises on purpose."""


class ConfigurationError(SpacekeyError):
    """Error in something that the operator or developer wrote. The message says what to change.

    ``others`` are errors that were found at the same time; the message has a line for each.
    """

    others: tuple[ConfigurationError, ...] = ()

    def __str__(self) -> str:
        return "\n".join((super().__str__(), *map(str, self.others)))

    def each(self) -> Iterator[ConfigurationError]:
        """Yield this error and those found at the same time, each with a message of its own."""
        alone = type(self).__new__(type(self), *self.args)  # not copy(), which would call __init__ with the message
        alone.__dict__.update(self.__dict__, others=())
        yield alone
        yield from self.others


def raise_all(errors: Iterable[ConfigurationError]) -> None:
    """Raise the first of these errors, with the others in it; do nothing if there are none."""
    found = [*errors]
    if found:
        found[0].others = tuple(found[1:])
        raise found[0]


class RuleError(ConfigurationError):
    """Error in a rule: it cannot be compiled, or names a scope that no product knows."""


class ProductError(ConfigurationError):
    """Error in a product file.

    :param file: the file's name as given.
    :param key: dotted path of the offending key, such as ``roles.viewer.grants``.
    :param remedy: what to write instead.
    """

    def __init__(self, file: str, key: str, remedy: str) -> None:
        super().__init__(f"{file}: {key}: {remedy}")
        self.file = file
        self.key = key
        self.remedy = remedy


class ServiceUnavailable(SpacekeyError):
    """The store could not answer in time. ``retry_after_seconds`` is a hint for the caller.

    :param message: the reason and what to do about it, for logs and the command line, never for callers; holds no
        secrets.
    :param may_have_changed: whether a change that was begun earlier may have been made, whatever became of the rest.
    """

    def __init__(self, message: str, retry_after_seconds: int = 1, *, may_have_changed: bool = False) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.may_have_changed = may_have_changed

    @property
    def advice(self) -> str:
        """Advice for callers on what to do now."""
        return "A change may have been made; check before you retry." if self.may_have_changed else "Try again."
