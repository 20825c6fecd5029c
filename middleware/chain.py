"""Several issuers behind one app, told apart by the brand a secret starts with."""

from collections.abc import Callable, Mapping

from starlette.types import Scope

from spacekey.domain.errors import ConfigurationError
from spacekey.domain.outcome import Reason, Refused, Verdict
from spacekey.domain.secret import Secret, SecretFacts, is_brand, parse
from spacekey.domain.verifier import Verifier

from .settings import check_verifier
from .warm import BEARER, Recall, Warm


class BrandChain:
    """Asks the verifier of a secret's brand; secrets of no known brand or shape go to ``otherwise``.

    A secret reaches one verifier only, so that no issuer sees another one's. ``otherwise`` is the place for an app's
    older tokens, whatever they look like; without it such secrets are refused.

    :param verifiers: brand → verifier.
    :raises ConfigurationError: for a brand that cannot be one, or what is no verifier.
    """

    def __init__(self, verifiers: Mapping[str, Verifier], otherwise: Verifier | None = None) -> None:
        for brand in verifiers:
            if not is_brand(brand):
                raise ConfigurationError(f"{brand!r} is no brand: write a letter, then 1 to 15 of [a-z0-9]")
        for verifier in (*verifiers.values(), *(() if otherwise is None else (otherwise,))):
            check_verifier(verifier)
        self._verifiers = dict(verifiers)
        self._recalls: dict[bytes, Recall] = {
            BEARER + brand.encode(): recall
            for brand, verifier in verifiers.items()
            if (recall := getattr(verifier, "recall", None)) is not None
        }
        self._otherwise = otherwise

    async def verify(self, secret: Secret) -> Verdict:
        """The verdict of the one verifier that is responsible."""
        facts = parse(secret)
        verifier = self._responsible(facts)
        if verifier is None:
            return Refused(Reason.MALFORMED if facts is None else Reason.UNKNOWN)
        return await verifier.verify(secret)

    def peek(self, secret: Secret) -> Verdict | None:
        """What that verifier knows without waiting; None when it must be asked."""
        peek: Callable[[Secret], Verdict | None] | None = getattr(self._responsible(parse(secret)), "peek", None)
        return None if peek is None else peek(secret)

    def recall(self, scope: Scope) -> Warm | None:
        """The same for the warm path (see ``warm``): a secret of a good shape starts with its brand.

        Whoever is asked looks at the whole request, so to choose by the first header is enough.
        """
        for name, value in scope["headers"]:
            if name == b"authorization":
                recall = self._recalls.get(value.partition(b"_")[0])
                return None if recall is None else recall(scope)
        return None

    def _responsible(self, facts: SecretFacts | None) -> Verifier | None:
        return self._otherwise if facts is None else self._verifiers.get(facts.brand, self._otherwise)

    async def aclose(self) -> None:
        """Close every verifier, also when one of them fails to."""
        everyone = {id(each): each for each in (*self._verifiers.values(), self._otherwise) if each is not None}
        failures: list[Exception] = []
        for verifier in everyone.values():
            try:
                await verifier.aclose()
            except Exception as error:  # noqa: BLE001 - the others must be closed first
                failures.append(error)
        if failures:
            raise ExceptionGroup("verifiers that did not close", failures)
