"""Tokens for MCP servers of the official Python SDK, with scopes for each tool, resource and prompt.

    from spacekey.middleware.mcp import protect_mcp

    app = protect_mcp(mcp.streamable_http_app(), mcp, verifier=verifier, resource="https://api.example.com/mcp")

:func:`protect_mcp` puts a ``TokenMiddleware`` around the server's app. :class:`McpTokenVerifier` is for servers that
keep the SDK's own authentication.
"""

from spacekey.domain.extras import extra

with extra("spacekey[mcp]"):
    from .access_token import McpTokenVerifier, SpacekeyAccessToken, current_principal
    from .app import protect_mcp, resource_metadata
    from .scopes import McpScopes

__all__ = [
    "McpScopes",
    "McpTokenVerifier",
    "SpacekeyAccessToken",
    "current_principal",
    "protect_mcp",
    "resource_metadata",
]
