"""The protocol for what tells who is at the other end of a connection."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import Protocol, runtime_checkable

from starlette.requests import HTTPConnection

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable, SpacekeyError
from spacekey.resolvers.accounts.outside import EVERY_DOMAIN, Issuer, Person

from .flow import Flow

ISSUER_LENGTH_MAX = 255


class SignInRejected(SpacekeyError):
    """Error of a sign-in from outside that is not accepted. The message is for the person, and holds no secret."""


@runtime_checkable
class Identity(Protocol):
    """Source of people: a connection → a person, or none.

    Extend it, set :attr:`issuer` and write :meth:`person`. A person is an account of Spacekey's by the issuer and the
    subject; it is created when the person comes for the first time, and has no password.
    """

    issuer: Issuer | None = None
    """Where the people come from, and for which domains its word about an address is a proof. None for accounts of
    Spacekey's own."""

    with_each_request: bool = True
    """Whether each request tells who sent it, as with a host's session. Otherwise :meth:`person` reads the request with
    which a sign-in ends, and a session of Spacekey's own follows."""

    takes_passwords: bool = False
    """Whether accounts with a password can sign in too."""

    at_provider: bool = False
    """Whether a button on the dashboard's sign-in page leads to :meth:`authorization_url`."""

    title: str | None = None
    """What that button says after "Sign in with"."""

    sign_in_url: str | None = None
    """The page on which people sign in if it is not the dashboard's, such as the host application's."""

    @abstractmethod
    async def person(self, connection: HTTPConnection) -> Person | None:
        """Return who sent a request, or None.

        :raises ServiceUnavailable: if that cannot be told now; the request is answered with 503.
        :raises SignInRejected: if the request ends a sign-in that is not accepted.
        """
        ...

    async def authorization_url(self, flow: Flow) -> str:
        """Return the provider's address at which a sign-in begins.

        :raises ServiceUnavailable: if the provider does not answer.
        """
        raise ServiceUnavailable("there is no provider")

    async def sign_out(self, back: str | None) -> str | None:
        """Return the page on which a person signs out there too, such as the host application's, or None.

        :param back: the address to which that page may lead back.
        """
        return None

    async def aclose(self) -> None:
        """Close what was opened."""
        return


def checked_issuer(name: str, domains: Collection[str]) -> Issuer:
    """Return an issuer from what a developer or operator wrote.

    :param domains: domains in any case, or ``"*"`` for all.
    :raises ConfigurationError: if the name is missing or too long, or a domain is not one.
    """
    if not name or len(name) > ISSUER_LENGTH_MAX or any(not one.isprintable() or one.isspace() for one in name):
        raise ConfigurationError(
            f"issuer={name!r:.80}: write a name or URL of 1 to {ISSUER_LENGTH_MAX} characters, and keep it: "
            "people are known by it"
        )
    if domains == EVERY_DOMAIN:
        return Issuer(name, EVERY_DOMAIN)
    if isinstance(domains, str):
        raise ConfigurationError(f"domains={domains!r}: write a list of domains, such as ['example.com']")
    return Issuer(name, frozenset(_domain(one) for one in domains))


def _domain(text: str) -> str:
    domain = text.strip().lower()
    try:
        ascii_domain = domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        ascii_domain = ""
    labels = ascii_domain.split(".")
    if not all(label and label.replace("-", "").isalnum() for label in labels) or len(ascii_domain) > 253:
        raise ConfigurationError(f"domains: '{text}' is not a domain such as example.com; addresses and '*' are not")
    return ascii_domain
