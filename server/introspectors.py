"""Credentials of the operator's own apps, which check the tokens of every workspace of a catalog.

A token of Spacekey's own reaches no further than its workspace, and a product's API serves the tokens of all of its
tenants. Its credential belongs to whoever runs the server, so it stands in the settings, as the SHA-256 of a secret
that was shown once; no tenant sees it, no plan or deletion takes it away.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.outcome import Valid, Verdict
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.scope import INTROSPECT
from spacekey.domain.secret import Entropy, Secret, mint
from spacekey.domain.suggest import known_instead
from spacekey.domain.verifier import Verifier
from spacekey.middleware.verifiers.wrapper import VerifierWrapper
from spacekey.resolvers.access.caller import IntrospectorCaller, RequestFacts

BRAND = "spk"
ID_PREFIX = "app_"
ENTRIES_MAX = 100

_ENTRY = re.compile(r"([a-z0-9][a-z0-9-]{0,39})=([a-z0-9][a-z0-9_-]{0,39}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Introspector:
    """One app: its name, the catalog whose tokens it may check, and the SHA-256 of its secret."""

    name: str
    catalog: str
    digest: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """What logs and usage reports know it by."""
        return ID_PREFIX + self.name

    @property
    def setting(self) -> str:
        """Its entry in ``SPACEKEY_INTROSPECTORS``."""
        return f"{self.name}={self.catalog}:{self.digest.hex()}"


def new_introspector(name: str, catalog: str, entropy: Entropy) -> tuple[Introspector, Secret]:
    """A new app's entry, and the secret that is kept nowhere.

    :raises ConfigurationError: for a name or catalog that no entry can hold.
    """
    secret = mint(BRAND, "live", entropy)
    made = Introspector(name, catalog, secret.digest())
    return read_introspectors(made.setting)[0], secret


def read_introspectors(text: str) -> tuple[Introspector, ...]:
    """The entries of a setting: ``NAME=CATALOG:SHA256``, separated by commas.

    A name may come twice, for the time in which a secret is replaced by another.

    :raises ConfigurationError: saying which entry cannot be, by its place: it could be a secret pasted by mistake.
    """
    entries = [one.strip() for one in text.split(",") if one.strip()]
    if len(entries) > ENTRIES_MAX:
        raise ConfigurationError(f"{len(entries)} entries; at most {ENTRIES_MAX} are allowed")
    found = []
    for place, entry in enumerate(entries, 1):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ConfigurationError(
                f"entry {place} is not NAME=CATALOG:SHA256; `spacekey introspector NAME --catalog CATALOG` makes one"
            )
        found.append(Introspector(match[1], match[2], bytes.fromhex(match[3])))
    return tuple(found)


def check_catalogs(introspectors: Iterable[Introspector], catalogs: Collection[str]) -> None:
    """Hold every entry to a catalog that is loaded.

    :param catalogs: the loaded catalogs' names.
    :raises ConfigurationError: naming the entry, with near matches.
    """
    for one in introspectors:
        if one.catalog not in catalogs:
            raise ConfigurationError(
                f"SPACEKEY_INTROSPECTORS: '{one.name}' is for the catalog '{one.catalog}', which is not loaded."
                + known_instead(one.catalog, catalogs)
            )


class WithIntrospectors(VerifierWrapper):
    """A verifier that knows the introspectors and leaves every other secret to the verifier behind it."""

    def __init__(self, introspectors: Iterable[Introspector], verifier: Verifier) -> None:
        super().__init__(verifier)
        if self.known_scopes is not None:
            self.known_scopes |= {INTROSPECT}
        self._known = {
            one.digest: Valid(Principal(one.id, Kind.WORKSPACE, frozenset((INTROSPECT,)), one.name))
            for one in introspectors
        }

    async def verify(self, secret: Secret) -> Verdict:
        """Return the introspector's verdict if the secret is one's, else the wrapped verifier's."""
        return self._known.get(secret.digest()) or await super().verify(secret)

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Return the same for many secrets; the wrapped verifier is given those that are not an introspector's."""
        known = [self._known.get(secret.digest()) for secret in secrets]
        others = iter(
            await super().verify_many([one for one, here in zip(secrets, known, strict=True) if here is None])
        )
        return [next(others) if here is None else here for here in known]

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return the same if it is known without waiting."""
        secret = Secret.from_bearer(authorization)
        known = None if secret is None else self._known.get(secret.digest())
        return known or super().peek(authorization)


def introspector_caller(
    introspectors: Iterable[Introspector], principal: Principal, facts: RequestFacts
) -> IntrospectorCaller | None:
    """The introspector that a principal is; None for every other."""
    if not principal.id.startswith(ID_PREFIX):
        return None
    catalog = next((one.catalog for one in introspectors if one.id == principal.id), None)
    return None if catalog is None else IntrospectorCaller(principal.id, principal.name, catalog, facts)
