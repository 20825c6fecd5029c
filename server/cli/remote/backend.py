"""A server as what commands ask."""

from __future__ import annotations

from .client import Client
from .members import RemoteMembers
from .reports import RemoteAudit, RemoteUsage
from .tokens import RemoteTokens
from .workspaces import RemoteSpaces, RemoteWorkspaces


class RemoteBackend:
    """A server's GraphQL API. See :class:`spacekey.server.cli.common.backend.Backend`."""

    def __init__(self, client: Client) -> None:
        self.workspaces = RemoteWorkspaces(client)
        self.spaces = RemoteSpaces(client)
        self.members = RemoteMembers(client)
        self.tokens = RemoteTokens(client)
        self.audit = RemoteAudit(client)
        self.usage = RemoteUsage(client)
