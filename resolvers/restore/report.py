"""What is found after a restore."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .exports import JoinedChain

ENDS, UNVERIFIED, LOST = "ends", "unverified", "lost"
RESULTS = (ENDS, UNVERIFIED, LOST)
FINDINGS_MAX = 10_000
"""Maximum number of findings of a kind that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ends, that cannot be vouched for, or that the restore lost.

    :param what: its kind, such as ``token``.
    :param workspace: the slug of its workspace; None for what is in none.
    :param why: what became of it since the backup, or why that is not known.
    """

    what: str
    id: str
    name: str
    workspace: str | None
    why: str

    def facts(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {"what": self.what, "id": self.id, "name": self.name, "workspace": self.workspace, "why": self.why}


@dataclass(slots=True)
class RestoreReport:
    """Result of :func:`spacekey.resolvers.restore.replay.replay_exports`."""

    chains: list[JoinedChain] = field(default_factory=list)
    slugs: dict[str, str] = field(default_factory=dict)
    """The slug of each workspace whose chain is among them, by its id."""

    findings: dict[str, list[Finding]] = field(default_factory=lambda: {one: [] for one in RESULTS})
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, result: str, finding: Finding, count: int = 1) -> None:
        """Add a finding, which stands for so many things."""
        self.counts[result] += count
        if len(self.findings[result]) < FINDINGS_MAX:
            self.findings[result].append(finding)
