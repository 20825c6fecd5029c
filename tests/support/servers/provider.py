"""An OpenID Connect provider over real HTTP that does as it is told, and misbehaves as it is told."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from spacekey.server.serving.serve import address_of, listening_socket

CLIENT_ID = "spacekey-tests"
CLIENT_SECRET = "not a secret of anyone: äöü &="
Claims = dict[str, Any]


class Provider:
    """The provider: whoever comes is the person of ``claims``, and each answer can be changed."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.url = ""
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"}, private=True)
        self.claims: Claims = {"sub": "248289761001", "name": "Ada Lovelace"}
        self.userinfo: Claims = {}
        self.metadata: Claims = {}
        self.callback: dict[str, str] = {}
        self.change_claims: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str] = self.signed
        self.down = False
        self.calls: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", self._jwks),
                Route("/userinfo", self._userinfo),
            ]
        )

    def signed(self, claims: Claims, key: Any = None, alg: str = "RS256", kid: str = "first") -> str:
        """An ID token."""
        return jwt.encode({"alg": alg, "kid": kid}, claims, key or self.key, algorithms=[alg])

    async def _discovery(self, _: Request) -> Response:
        self.calls.append("discovery")
        if self.down:
            return Response("out of order: <b>sorry</b>", 503)
        known = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "end_session_endpoint": f"{self.url}/end",
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse({name: value for name, value in (known | self.metadata).items() if value is not None})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.url} | self.callback
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({k: v for k, v in answer.items() if v})}", 303)

    async def _token(self, request: Request) -> Response:
        self.calls.append("token")
        if self.down:
            return Response("out of order", 503)
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        pair = base64.b64encode(urlencode({CLIENT_ID: CLIENT_SECRET}).replace("=", ":", 1).encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or challenge.rstrip(b"=").decode() != asked["code_challenge"]:
            return JSONResponse({"error": "invalid_grant", "error_description": "<script>"}, 400)
        assert form["redirect_uri"] == asked["redirect_uri"]
        now = int(self.now())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        token = self.sign(self.change_claims(claims | self.claims))
        return JSONResponse({"access_token": "at-1", "token_type": "Bearer", "id_token": token, "expires_in": 300})

    async def _jwks(self, _: Request) -> Response:
        self.calls.append("jwks")
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _userinfo(self, request: Request) -> Response:
        if self.down:
            return Response("out of order", 503)
        assert request.headers["authorization"] == "Bearer at-1"
        return JSONResponse({"sub": self.claims.get("sub")} | self.userinfo)


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    """The provider on a free port of this machine."""
    listening = listening_socket("127.0.0.1", 0)
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: object = None) -> None:
            await super().startup([listening])
            started.set()

    server = Server(uvicorn.Config(provider.app, log_level="error", lifespan="off"))
    provider.url = address_of(listening)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        assert started.wait(30)
        yield provider
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
