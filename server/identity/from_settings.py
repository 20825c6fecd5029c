"""The identity that a server's settings ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from spacekey.domain.errors import ConfigurationError
from spacekey.server.settings import PREFIX, Settings

from .header import TrustedHeader
from .openid import OpenIDConnect
from .passwords import Passwords
from .protocol import Identity

_OIDC_SETTINGS = {
    name: f"OIDC_{name.upper()}" for name in ("issuer", "client_id", "domains", "scopes", "role_claim", "roles")
}
_HEADER_SETTINGS = {
    "header": "IDENTITY_HEADER",
    "name_header": "IDENTITY_HEADER_NAME",
    "email_header": "IDENTITY_HEADER_EMAIL",
    "proxies": "IDENTITY_PROXIES",
    "domains": "IDENTITY_DOMAINS",
}
"""Argument → the setting that it comes from."""


def identity_of(settings: Settings) -> Identity:
    """Return where people come from: Spacekey's own passwords, an OpenID Connect provider, or a proxy's header.

    :raises ConfigurationError: if a setting cannot be used.
    """
    if settings.identity_header is not None:
        try:
            return TrustedHeader(
                settings.identity_header,
                settings.identity_proxies,
                name_header=settings.identity_header_name,
                email_header=settings.identity_header_email,
                domains=settings.identity_domains,
            )
        except ConfigurationError as error:
            raise _of_setting(error, _HEADER_SETTINGS) from None
    if settings.oidc_issuer is None:
        return Passwords()

    roles: dict[str, list[tuple[str, str]]] = {}
    for value, workspace, role in settings.oidc_roles:
        roles.setdefault(value, []).append((workspace, role))
    try:
        return OpenIDConnect(
            settings.oidc_issuer,
            settings.oidc_client_id or "",
            settings.oidc_client_secret,
            domains=settings.oidc_domains,
            title=settings.oidc_title,
            scopes=settings.oidc_scopes.replace(",", " ").split(),
            role_claim=settings.oidc_role_claim,
            roles=roles,
            takes_passwords=settings.password_sign_in,
        )
    except ConfigurationError as error:
        raise _of_setting(error, _OIDC_SETTINGS) from None


def _of_setting(error: ConfigurationError, settings: Mapping[str, str]) -> ConfigurationError:
    """Return the error about an argument as one about the setting that it comes from."""
    argument = re.match(r"\w*", str(error))
    name = settings.get(argument[0] if argument else "")
    return error if name is None else ConfigurationError(f"{PREFIX}{name}: {error}")
