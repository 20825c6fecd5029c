"""Several issuers behind one app, selected by the secret prefix that a secret starts with."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from spacekey.domain.authentication import Authenticated, Reason, Rejected, Verdict
from spacekey.domain.closing import close_in_turn
from spacekey.domain.errors import ConfigurationError
from spacekey.domain.key_format import KeyFormats
from spacekey.domain.principal import Principal, issuer_within
from spacekey.domain.secret import Secret, SecretFacts, is_secret_prefix, parse
from spacekey.domain.usage import UsageCounter
from spacekey.domain.verifier import Verifier, VerifiesSecrets

from .wrapper import as_verifier

OTHERWISE = "*"
"""Issuer of tokens that ``otherwise`` knows. No secret prefix is called so."""


class VerifierChain(Verifier):
    """Passes each secret to the verifier of its prefix, and those of no known prefix or shape to ``otherwise``.

    A secret reaches one verifier only, so that no issuer sees another one's. ``otherwise`` is for an app's older
    tokens, in whatever format; without it such secrets are refused. An imported key goes to the verifier whose
    ``key_formats`` it has.

    Verifiers may give tokens the same id, so a principal has the ``issuer`` beside it: the prefix, or ``*`` for
    ``otherwise``. Tokens of two issuers share no limit. Requests are counted by the verifier of their token, and not at
    all if that one counts none. The chain knows the scopes of all of its verifiers, unless one of them does not know
    its own.

    :param verifiers: secret prefix → verifier.
    :param otherwise: the verifier for all other secrets, or None.
    :raises ConfigurationError: for an invalid secret prefix, or an object that is not a verifier.
    """

    def __init__(self, verifiers: Mapping[str, VerifiesSecrets], otherwise: VerifiesSecrets | None = None) -> None:
        for secret_prefix in verifiers:
            if not is_secret_prefix(secret_prefix):
                raise ConfigurationError(
                    f"{secret_prefix!r} is not a secret prefix: write a letter, then 1 to 15 of [a-z0-9]"
                )
        given = (*verifiers.values(), *(() if otherwise is None else (otherwise,)))
        adapted = {id(verifier): as_verifier(verifier) for verifier in given}  # an object given twice is one verifier
        self._verifiers = {secret_prefix: adapted[id(verifier)] for secret_prefix, verifier in verifiers.items()}
        self._otherwise = None if otherwise is None else adapted[id(otherwise)]
        self._everyone = list(adapted.values())
        self.key_formats = KeyFormats(one for each in self._everyone for one in each.key_formats.formats)
        scopes = [verifier.known_scopes for verifier in self._everyone]
        known = [each for each in scopes if each is not None]
        self.known_scopes = frozenset[str]().union(*known) if len(known) == len(scopes) else None
        self.batch_max = max((verifier.batch_max for verifier in self._everyone), default=1)
        named = {**verifiers, **({} if otherwise is None else {OTHERWISE: otherwise})}
        self._issuers = {id(adapted[id(verifier)]): name for name, verifier in reversed(named.items())}
        counters = {self._issuers[id(verifier)]: verifier.usage for verifier in self._everyone}
        self.usage = None if all(each is None for each in counters.values()) else _UsageByIssuer(counters)

    async def verify(self, secret: Secret) -> Verdict:
        """Return the verdict of the one verifier that is responsible."""
        facts = parse(secret)
        verifier = self._responsible(facts, secret)
        if verifier is None:
            return Rejected(Reason.MALFORMED if facts is None else Reason.UNKNOWN)
        return self._issued(verifier, await verifier.verify(secret))

    async def verify_many(self, secrets: Sequence[Secret]) -> Sequence[Verdict]:
        """Return the verdicts of the verifiers that are responsible, each of which is given its own secrets alone."""
        verdicts: list[Verdict] = [Rejected(Reason.UNKNOWN)] * len(secrets)
        shares: dict[int, tuple[Verifier, list[int]]] = {}
        for place, secret in enumerate(secrets):
            facts = parse(secret)
            verifier = self._responsible(facts, secret)
            if verifier is not None:
                shares.setdefault(id(verifier), (verifier, []))[1].append(place)
            elif facts is None:
                verdicts[place] = Rejected(Reason.MALFORMED)

        async def ask(verifier: Verifier, places: list[int]) -> None:
            found = await verifier.verify_many([secrets[place] for place in places])
            for place, verdict in zip(places, found, strict=True):
                verdicts[place] = self._issued(verifier, verdict)

        await asyncio.gather(*(ask(*share) for share in shares.values()))
        return verdicts

    def peek(self, authorization: bytes) -> Verdict | None:
        """Return the verdict if the responsible verifier knows it without waiting, else None.

        No other verifier is shown the secret.
        """
        secret = Secret.from_bearer(authorization)
        facts = None if secret is None else parse(secret)
        verifier = None if secret is None or facts is None else self._responsible(facts, secret)
        verdict = None if verifier is None else verifier.peek(authorization)
        return verdict if verifier is None or verdict is None else self._issued(verifier, verdict)

    def _issued(self, verifier: Verifier, verdict: Verdict) -> Verdict:
        """Return the verdict with the verifier's name beside the token's id."""
        issuer = self._issuers[id(verifier)]
        if isinstance(verdict, Authenticated):
            principal = verdict.principal
            return Authenticated(principal.with_issuer(issuer)) if isinstance(principal, Principal) else verdict
        if isinstance(verdict, Rejected) and verdict.token_id is not None:
            return replace(verdict, issuer=issuer_within(issuer, verdict.issuer))
        return verdict

    def _responsible(self, facts: SecretFacts | None, secret: Secret) -> Verifier | None:
        if facts is not None:
            return self._verifiers.get(facts.secret_prefix, self._otherwise)
        known = (each for each in self._verifiers.values() if each.key_formats.match(secret) is not None)
        return next(known, self._otherwise)

    async def aclose(self) -> None:
        """Close every verifier, even if one of them fails to close or is cancelled.

        :raises ExceptionGroup: with the errors of those that failed.
        """
        failures: list[Exception] = []

        async def close(verifier: Verifier) -> None:
            try:
                await verifier.aclose()
            except Exception as error:  # noqa: BLE001 - the others must be closed first
                failures.append(error)

        await close_in_turn(*(partial(close, one) for one in self._everyone))
        if failures:
            raise ExceptionGroup("verifiers that did not close", failures)


class _UsageByIssuer(UsageCounter):
    """Counters of several issuers, each of which learns of its own tokens only."""

    def __init__(self, counters: Mapping[str, UsageCounter | None]) -> None:
        self._counters = counters

    def of_issuer(self, issuer: str) -> UsageCounter:
        """See :class:`~spacekey.domain.usage.UsageCounter`."""
        name, _, inner = issuer.partition("/")
        counter = self._counters.get(name)
        if counter is None:
            return self
        return counter.of_issuer(inner) if inner else counter

    def allowed(self, token_id: str, client: tuple[str, int] | None, scopes: frozenset[str] = frozenset()) -> None:
        """Count nothing: no issuer that counts knows the token."""

    def denied(self, token_id: str, client: tuple[str, int] | None) -> None:
        """Count nothing."""

    def limited(self, token_id: str, client: tuple[str, int] | None) -> None:
        """Count nothing."""

    def refused(self, token_id: str) -> None:
        """Count nothing."""

    def seen(self, token_id: str) -> None:
        """Count nothing."""
