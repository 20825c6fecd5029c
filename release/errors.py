"""The error of a release that can't be made."""


class ReleaseError(Exception):
    """A release can't be made; the message says what to change."""
