"""The database as what commands ask."""

from __future__ import annotations

from spacekey.resolvers.system import System

from .audit import LocalAudit
from .members import LocalMembers
from .tokens import LocalTokens
from .usage import LocalUsage
from .workspaces import LocalSpaces, LocalWorkspaces


class LocalBackend:
    """The resolvers on one system. See :class:`spacekey.server.cli.common.backend.Backend`."""

    def __init__(self, system: System) -> None:
        self.workspaces = LocalWorkspaces(system)
        self.spaces = LocalSpaces(system)
        self.members = LocalMembers(system)
        self.tokens = LocalTokens(system)
        self.audit = LocalAudit(system)
        self.usage = LocalUsage(system)
