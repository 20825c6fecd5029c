"""People of an OpenID Connect provider: discovery, authorization code with PKCE, and the checks of the ID token.

OpenID Connect Core 1.0 §3.1 (code flow) and §3.1.3.7 (validation), Discovery 1.0 §4, RFC 7636 (PKCE), RFC 9207 (the
issuer in the callback, against mix-up) and RP-Initiated Logout 1.0. The provider's tokens are read once and not kept.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from starlette.requests import HTTPConnection

from spacekey.domain.errors import ConfigurationError, ServiceUnavailable
from spacekey.domain.secret import Secret
from spacekey.resolvers.accounts.outside import Person

from .flow import FLOW, Flow
from .protocol import Identity, SignInRejected, checked_issuer

ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
)
"""Signatures that are accepted: with the provider's public key alone, never ``none`` or with the client's secret."""

SECONDS_MAX = 10.0
BYTES_MAX = 1_000_000
METADATA_SECONDS = 3_600.0
KEYS_AGAIN_SECONDS = 60.0
DOWN_SECONDS = 3.0
LEEWAY_SECONDS = 60
CLAIMS_MAX = 1_000
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint")
_NEEDED = _ENDPOINTS[:3]
_OUTAGES = frozenset(("server_error", "temporarily_unavailable"))
_AGAIN = "Start again from the sign-in page."

log = logging.getLogger("spacekey.identity")


class OpenIDConnect(Identity):
    """People of an OpenID Connect provider, such as Keycloak, Entra ID, Okta or Google.

    A button on the dashboard's sign-in page leads to the provider. Sessions that exist do not need the provider.

    :param issuer: the provider's issuer, as its discovery document says it: an https address.
    :param client_id: the id that the provider gave this server.
    :param client_secret: the secret that came with it; None for a public client.
    :param domains: the domains whose addresses the provider proves where it says ``email_verified``.
    :param title: what the button says after "Sign in with"; by default the issuer's host.
    :param scopes: what to ask for; ``openid`` is needed.
    :param role_claim: the claim that holds roles or groups; dots lead into objects, as in ``realm_access.roles``.
    :param roles: value of that claim → pairs of a workspace's id and a role in it. The first that a person has counts
        for its workspace. Sessions then last an hour, and a lost claim takes effect with the next sign-in.
    :param takes_passwords: whether accounts with a password can go on signing in with it.
    :param now: seconds since 1970.
    :raises ConfigurationError: if an argument cannot be used.
    """

    with_each_request = False
    at_provider = True

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: Secret | None = None,
        *,
        domains: Collection[str] = (),
        title: str | None = None,
        scopes: Sequence[str] = ("openid", "profile", "email"),
        role_claim: str | None = None,
        roles: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        takes_passwords: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        _check_address("issuer", issuer)
        if not client_id.strip():
            raise ConfigurationError("client_id: write the id that the provider gave this server")
        if "openid" not in scopes:
            raise ConfigurationError("scopes: 'openid' is needed, or the provider tells nothing about the person")
        if (role_claim is None) != (not roles):
            raise ConfigurationError("role_claim and roles go together: the claim, and what its values give")
        self.issuer = checked_issuer(issuer, domains)
        self.title = title or urlsplit(issuer).hostname or issuer
        self.takes_passwords = takes_passwords
        self._url = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = tuple(scopes)
        self._role_claim = role_claim
        self._roles = dict(roles or {})
        self._now = now
        self._client: httpx.AsyncClient | None = None
        self._lock = asyncio.Lock()
        self._metadata: dict[str, Any] | None = None
        self._read_at = 0.0
        self._failed_at = -DOWN_SECONDS
        self._keys: dict[str, Any] | None = None
        self._keys_at = 0.0

    async def authorization_url(self, flow: Flow) -> str:
        """Return the provider's address at which a sign-in begins.

        :raises ServiceUnavailable: if the provider does not answer.
        """
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # only who uses a provider waits for it to load
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        metadata = await self._discovered()
        return str(
            prepare_grant_uri(
                metadata["authorization_endpoint"],
                client_id=self._client_id,
                response_type="code",
                redirect_uri=flow.redirect_uri,
                scope=" ".join(self._scopes),
                state=flow.state,
                nonce=flow.nonce,
                code_challenge=create_s256_code_challenge(flow.verifier),
                code_challenge_method="S256",
            )
        )

    async def person(self, connection: HTTPConnection) -> Person | None:
        """Return the person with whom the provider answers in a callback.

        :raises SignInRejected: if the answer is not one to the sign-in that this browser began, or not valid.
        :raises ServiceUnavailable: if the provider does not answer, or does not know this server.
        """
        flow: Flow | None = connection.scope.get(FLOW)
        query = connection.query_params
        state = query.getlist("state")
        if flow is None or len(state) != 1 or not hmac.compare_digest(state[0].encode(), flow.state.encode()):
            raise SignInRejected(f"This sign-in did not begin in this browser, took too long, or is over. {_AGAIN}")
        metadata = await self._discovered()
        _check_issuer(metadata, query.getlist("iss"), self._url)
        error = query.get("error")
        if error in _OUTAGES:
            raise ServiceUnavailable(f"the identity provider answered {error}")
        code = query.getlist("code")
        if error is not None or len(code) != 1 or not code[0]:
            raise SignInRejected(f"The provider did not sign you in. {_AGAIN}")
        tokens = await self._exchange(metadata, code[0], flow)
        claims = await self._claims(metadata, tokens, flow)
        more = await self._userinfo(metadata, tokens, claims["sub"])
        if "email" in claims:  # an address and whether it is verified are one statement
            more.pop("email_verified", None)
        return self._person({**more, **claims})

    async def sign_out(self, back: str | None) -> str | None:
        """Return the provider's address at which its own session ends (RP-Initiated Logout), or None if it has none."""
        try:
            end = (await self._discovered()).get("end_session_endpoint")
        except ServiceUnavailable:
            return None
        if not end:
            return None
        query = {"client_id": self._client_id} | ({} if back is None else {"post_logout_redirect_uri": back})
        return f"{end}{'&' if '?' in end else '?'}{urlencode(query)}"

    async def aclose(self) -> None:
        """Close the connections to the provider."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _person(self, claims: Mapping[str, Any]) -> Person:
        subject = claims["sub"]
        if not isinstance(subject, str):
            raise SignInRejected("The provider's answer names no person.")
        name, email = claims.get("name") or claims.get("preferred_username"), claims.get("email")
        return Person(
            subject=subject,
            name=name if isinstance(name, str) else "",
            email=email if isinstance(email, str) else None,
            email_verified=claims.get("email_verified") is True,
            roles=None if self._role_claim is None else self._roles_of(claims),
        )

    def _roles_of(self, claims: Mapping[str, Any]) -> dict[str, str]:
        held: Any = claims
        whole = claims.get(self._role_claim or "")
        for part in (self._role_claim or "").split("."):
            held = held.get(part) if isinstance(held, Mapping) else None
        held = held if whole is None else whole
        values = {held} if isinstance(held, str) else set()
        if isinstance(held, list):
            values = {one for one in held[:CLAIMS_MAX] if isinstance(one, str)}
        found: dict[str, str] = {}
        for value, given in self._roles.items():
            for workspace, role in given if value in values else ():
                found.setdefault(workspace, role)
        return found

    async def _discovered(self) -> dict[str, Any]:
        """Return the provider's metadata, read at most once an hour; an older copy stands in for an outage.

        :raises ServiceUnavailable: if it was never read, and cannot be read now.
        """
        async with self._lock:
            now = self._now()
            if self._metadata is not None and now - self._read_at < METADATA_SECONDS:
                return self._metadata
            try:
                if now - self._failed_at < DOWN_SECONDS:
                    raise ServiceUnavailable("the identity provider did not answer a moment ago")
                answer = await self._json("GET", f"{self._url.rstrip('/')}/.well-known/openid-configuration")
                self._metadata, self._read_at = self._checked(answer), now
            except ServiceUnavailable as error:
                self._failed_at = now if now - self._failed_at >= DOWN_SECONDS else self._failed_at
                if self._metadata is None:
                    log.error("the identity provider %s cannot be used: %s", self._url, error)
                    raise
            return self._metadata

    def _checked(self, metadata: dict[str, Any]) -> dict[str, Any]:
        if metadata.get("issuer") != self._url:
            raise ServiceUnavailable(
                f"its discovery document is of the issuer {str(metadata.get('issuer'))[:200]!r}; "
                "write that one, to the letter, if it is the right one"
            )
        for name in _ENDPOINTS:
            address = metadata.get(name)
            if address is None and name not in _NEEDED:
                continue
            try:
                _check_address(name, address if isinstance(address, str) else "")
            except ConfigurationError as error:
                raise ServiceUnavailable(str(error)) from None
        return metadata

    async def _exchange(self, metadata: Mapping[str, Any], code: str, flow: Flow) -> dict[str, Any]:
        """Return what the provider gives for the code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": flow.redirect_uri,
            "code_verifier": flow.verifier,
        }
        auth: httpx.BasicAuth | None = None
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self._client_secret is None:
            form["client_id"] = self._client_id
        elif "client_secret_basic" in methods:
            auth = httpx.BasicAuth(_encoded(self._client_id), _encoded(self._client_secret.reveal()))
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret.reveal()}
        answer = await self._json("POST", metadata["token_endpoint"], data=form, auth=auth, refusals=True)
        error = answer.get("error")
        if error == "invalid_grant":
            raise SignInRejected(
                f"The provider does not accept this sign-in: it was used before, or is too old. {_AGAIN}"
            )
        if error is not None or not isinstance(answer.get("id_token"), str):
            log.error("the identity provider %s refused a code: %s", self._url, str(error)[:100])
            raise ServiceUnavailable("the identity provider refused this server; its log says why")
        return answer

    async def _claims(self, metadata: Mapping[str, Any], tokens: Mapping[str, Any], flow: Flow) -> dict[str, Any]:
        """Return the claims of a valid ID token.

        :raises SignInRejected: if it is not valid.
        """
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError
        from joserfc.jwk import KeySet
        from joserfc.jws import JWSRegistry

        supported = metadata.get("id_token_signing_alg_values_supported")
        algorithms = ALGORITHMS & set(supported if isinstance(supported, list) else ["RS256"])
        registry = JWSRegistry(algorithms=sorted(algorithms), strict_check_header=False)
        try:
            keys = await self._jwks(metadata)
            try:
                token = jwt.decode(tokens["id_token"], KeySet.import_key_set(keys), registry=registry)
            except InvalidKeyIdError:
                keys = await self._jwks(metadata, again=True)
                token = jwt.decode(tokens["id_token"], KeySet.import_key_set(keys), registry=registry)
            access = tokens.get("access_token")
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self._url},
                    "aud": {"essential": True, "value": self._client_id},
                },
                {"nonce": flow.nonce, "client_id": self._client_id}
                | ({"access_token": access} if isinstance(access, str) else {}),
            )
            claims.validate(now=int(self._now()), leeway=LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.error("an ID token of %s was refused: %s", self._url, type(error).__name__)
            raise SignInRejected(f"The provider's answer is not valid. {_AGAIN}") from None
        return dict(claims)

    async def _jwks(self, metadata: Mapping[str, Any], *, again: bool = False) -> Any:
        """Return the provider's keys; they are read again for a key that is not among them, at most once a minute."""
        now = self._now()
        age = now - self._keys_at
        if self._keys is None or age >= METADATA_SECONDS or (again and age >= KEYS_AGAIN_SECONDS):
            self._keys = await self._json("GET", metadata["jwks_uri"])
            self._keys_at = now
        return self._keys

    async def _userinfo(
        self, metadata: Mapping[str, Any], tokens: Mapping[str, Any], subject: object
    ) -> dict[str, Any]:
        """Return the claims of the UserInfo endpoint, where providers put what the ID token has no room for.

        :raises SignInRejected: if it tells about another subject (OpenID Connect Core §5.3.2).
        """
        endpoint, access = metadata.get("userinfo_endpoint"), tokens.get("access_token")
        if endpoint is None or not isinstance(access, str):
            return {}
        answer = await self._json("GET", endpoint, headers={"Authorization": f"Bearer {access}"})
        if answer.get("sub") != subject:
            raise SignInRejected(f"The provider's answer is not valid. {_AGAIN}")
        return answer

    async def _json(
        self,
        method: str,
        address: str,
        *,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx.BasicAuth | None = None,
        refusals: bool = False,
    ) -> dict[str, Any]:
        """Return the JSON object at an address of the provider's, within bounds of time and size.

        :param refusals: whether a 400 or 401 with a JSON object is an answer.
        :raises ServiceUnavailable: for anything else. The message holds nothing that the provider said.
        """
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=SECONDS_MAX)
        place = urlsplit(address).path
        try:
            async with (
                asyncio.timeout(SECONDS_MAX),
                self._client.stream(
                    method, address, data=data, headers={"Accept": "application/json", **(headers or {})}, auth=auth
                ) as answer,
            ):
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > BYTES_MAX:
                        raise ServiceUnavailable(f"the identity provider's answer at {place} is too large")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise ServiceUnavailable(
                f"the identity provider does not answer at {place}: {type(error).__name__}"
            ) from None
        if answer.status_code != 200 and not (refusals and answer.status_code in (400, 401)):
            raise ServiceUnavailable(f"the identity provider answered {answer.status_code} at {place}")
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ServiceUnavailable(f"the identity provider's answer at {place} is no JSON object")
        return found


def _check_address(name: str, address: str) -> None:
    """Raise unless an address is https, or http on this machine itself.

    :raises ConfigurationError: saying so.
    """
    try:
        parts = urlsplit(address)
        host, local = parts.hostname, parts.hostname in ("localhost", "127.0.0.1", "::1")
    except ValueError:
        host, local, parts = None, False, urlsplit("")
    good = host and (parts.scheme == "https" or (parts.scheme == "http" and local))
    if not good or parts.username or parts.password or parts.fragment:
        raise ConfigurationError(f"{name}={address!r:.200}: write an https:// address")


def _check_issuer(metadata: Mapping[str, Any], said: Sequence[str], issuer: str) -> None:
    """Raise if a callback comes from another issuer, or does not say from which though the provider does (RFC 9207).

    :raises SignInRejected: saying so.
    """
    needed = metadata.get("authorization_response_iss_parameter_supported") is True
    if (said or needed) and list(said) != [issuer]:
        raise SignInRejected(f"The answer comes from another identity provider. {_AGAIN}")


def _encoded(text: str) -> str:
    """Return text for HTTP Basic as OAuth wants it (RFC 6749 §2.3.1)."""
    return urlencode({"": text})[1:]
