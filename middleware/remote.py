"""The name under which the ``remote`` extra is documented; the verifier is in :mod:`~spacekey.middleware.verifiers`."""

from spacekey.middleware.verifiers.remote import RemoteVerifier

__all__ = ["RemoteVerifier"]
