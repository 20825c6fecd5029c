"""Where requests have their token, for ``TokenMiddleware(credentials=[…])``.

    from spacekey.credentials import bearer, cookie, header

    Middleware(TokenMiddleware, verifier=…, credentials=[bearer(), header("X-API-Key"), cookie("api_key")])

Without the argument it is ``[bearer()]``. Tokens are never read from a query string.
"""

from spacekey.middleware.auth.credentials import bearer, cookie, header

__all__ = ["bearer", "cookie", "header"]
