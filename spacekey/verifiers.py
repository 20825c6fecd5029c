"""Everything that turns a secret into a principal: on the database, over HTTP, in memory, or several of them.

To write a verifier of your own, extend :class:`Verifier`; around another one, extend :class:`VerifierWrapper`. Each
name is loaded when it is first used: ``DatabaseVerifier`` needs ``spacekey[server]``, ``RemoteVerifier`` needs
``spacekey[remote]``, the others need nothing more.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacekey.domain.key_format import KeyFormat, KeyHash
    from spacekey.domain.verifier import Verifier, VerifiesSecrets
    from spacekey.middleware.verifiers.memory import MemoryVerifier
    from spacekey.middleware.verifiers.remote import RemoteVerifier
    from spacekey.middleware.verifiers.verifier_chain import VerifierChain
    from spacekey.middleware.verifiers.wrapper import VerifierWrapper
    from spacekey.server.database_verifier import DatabaseVerifier, store_usage

__all__ = [
    "DatabaseVerifier",
    "KeyFormat",
    "KeyHash",
    "MemoryVerifier",
    "RemoteVerifier",
    "Verifier",
    "VerifierChain",
    "VerifierWrapper",
    "VerifiesSecrets",
    "store_usage",
]

_MODULE_OF = {
    "DatabaseVerifier": "server.database_verifier",
    "KeyFormat": "domain.key_format",
    "KeyHash": "domain.key_format",
    "MemoryVerifier": "middleware.verifiers.memory",
    "RemoteVerifier": "middleware.verifiers.remote",
    "Verifier": "domain.verifier",
    "VerifierChain": "middleware.verifiers.verifier_chain",
    "VerifierWrapper": "middleware.verifiers.wrapper",
    "VerifiesSecrets": "domain.verifier",
    "store_usage": "server.database_verifier",
}


def __getattr__(name: str) -> object:
    """Load a verifier at its first use (PEP 562)."""
    if (module := _MODULE_OF.get(name)) is None:
        raise AttributeError(f"module 'spacekey.verifiers' has no attribute {name!r}")
    found: object = getattr(import_module(f"spacekey.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
