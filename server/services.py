"""Introspectors: credentials of the operator's own apps, which check the tokens of every workspace of a product.

A token cannot do this, because it reaches only its own workspace, while a product's API serves the tokens of all its
tenants. The credential belongs to the operator, so it is kept in the settings, as the SHA-256 of a secret that is shown
once. No tenant can see it, and no plan or deletion ends it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from spacekey.domain.authentication import Authenticated, Verdict
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.principal import Kind, Principal
from spacekey.domain.scope import INTROSPECT
from spacekey.domain.secret import Entropy, Secret, mint
from spacekey.domain.suggest import known_instead
from spacekey.domain.verifier import Verifier
from spacekey.middleware.verifiers.wrapper import VerifierWrapper
from spacekey.resolvers.access.caller import IntrospectorCaller, RequestFacts

SECRET_PREFIX = "spk"  # noqa: S105 - what secrets begin with
ID_PREFIX = "app_"
ENTRIES_MAX = 100

_ENTRY = re.compile(r"([a-z0-9][a-z0-9-]{0,39})=([a-z0-9][a-z0-9_-]{0,39}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Introspector:
    """Entry of one app: its name, the product whose tokens it may check, and the SHA-256 of its secret."""

    name: str
    product: str
    digest: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Id of the app in logs and usage reports."""
        return ID_PREFIX + self.name

    @property
    def setting(self) -> str:
        """Entry of the app in ``SPACEKEY_INTROSPECTORS``."""
        return f"{self.name}={self.product}:{self.digest.hex()}"


def new_introspector(name: str, product: str, entropy: Entropy) -> tuple[Introspector, Secret]:
    """Return a new app's entry, and its secret, which is not stored.

    :raises ConfigurationError: the name or the product cannot be written in an entry.
    """
    secret = mint(SECRET_PREFIX, "live", entropy)
    made = Introspector(name, product, secret.digest())
    return read_introspectors(made.setting)[0], secret


def read_introspectors(text: str) -> tuple[Introspector, ...]:
    """Return the entries of a setting: ``NAME=PRODUCT:SHA256``, separated by commas.

    A name may have two entries, while its secret is replaced.

    :raises ConfigurationError: an entry is invalid. It is named by its position and not quoted, as it could be a
        secret pasted by mistake.
    """
    entries = [one.strip() for one in text.split(",") if one.strip()]
    if len(entries) > ENTRIES_MAX:
        raise ConfigurationError(f"{len(entries)} entries; at most {ENTRIES_MAX} are allowed")
    found = []
    for place, entry in enumerate(entries, 1):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ConfigurationError(
                f"entry {place} is not NAME=PRODUCT:SHA256; `spacekey introspector NAME --product PRODUCT` makes one"
            )
        found.append(Introspector(match[1], match[2], bytes.fromhex(match[3])))
    return tuple(found)


def check_products(introspectors: Iterable[Introspector], products: Collection[str]) -> None:
    """Check that the product of every entry is loaded.

    :param products: the loaded products' names.
    :raises ConfigurationError: one is not; names the entry, with near matches.
    """
    for one in introspectors:
        if one.product not in products:
            raise ConfigurationError(
                f"SPACEKEY_INTROSPECTORS: '{one.name}' is for the product '{one.product}', which is not loaded."
                + known_instead(one.product, products)
            )


class WithIntrospectors(VerifierWrapper):
    """Verifier that knows the introspectors, and passes every other secret to the wrapped verifier."""

    def __init__(self, introspectors: Iterable[Introspector], verifier: Verifier) -> None:
        super().__init__(verifier)
        if self.known_scopes is not None:
            self.known_scopes |= {INTROSPECT}
        self._known = {
            one.digest: Authenticated(Principal(one.id, Kind.WORKSPACE, frozenset((INTROSPECT,)), one.name))
            for one in introspectors
        }

    async def verify(self, secret: Secret) -> Verdict:
        """Return the introspector's verdict if the secret belongs to one, else the wrapped verifier's."""
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
    """Return the introspector that a principal stands for; None for any other principal."""
    if not principal.id.startswith(ID_PREFIX):
        return None
    product = next((one.product for one in introspectors if one.id == principal.id), None)
    return None if product is None else IntrospectorCaller(principal.id, principal.name, product, facts)
