"""Description of a race, written to a folder that all its processes read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from .shared_counters import Managed, SharedCounters, Used

VERIFIERS = 4


class Way(StrEnum):
    """The ways of taking access away."""

    REVOKE = "revoke"
    REVOKE_ITSELF = "revoke with its own secret"
    BULK_REVOKE = "bulk revoke"
    USER_GONE = "all of a user who has gone"
    DISABLE = "disable"
    DELETE = "delete"
    SCOPE_EDIT = "scope edit"
    ROTATE = "rotate without grace"
    SPACE_DELETED = "space deleted"
    POLICY = "policy narrowed"
    SUSPENDED = "workspace suspended"
    ROLE = "role demoted"
    DOWNGRADE = "plan downgraded"


@dataclass(frozen=True, slots=True)
class Takeaway:
    """One takeaway: of a token, of several, or of all in a space or workspace. ``tokens`` are rows of the counters.

    :param external_id: of the user of a host application whose tokens they are.
    """

    way: Way
    workspace_id: str
    space_id: str | None
    tokens: tuple[int, ...]
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Victim:
    """A token that loses access once, and the path of the protected app that it can use until then."""

    id: str
    secret: str
    path: str


@dataclass(frozen=True, slots=True)
class Environment:
    """Description that all processes of one race share.

    :param staleness_seconds: T.
    :param lanes: how many takeaways are under way at a time.
    :param users: how many uses are under way at a time, in each verifier.
    :param server_url: with one, everything goes through this server, and verifiers are remote.
    :param app_token: the verifying apps' own token, which may introspect.
    :param manager_token: what the managing client shows the server.
    :param stretch: how many times T a verifier keeps an answer. 1 is the product; more is a fault that must be found.
    :param wait: False makes takeaways answer before T has passed, a fault that must be found as well.
    """

    database_url: str
    staleness_seconds: float
    lanes: int
    takeaways: tuple[Takeaway, ...]
    victims: tuple[Victim, ...]
    users: int = 12
    server_url: str | None = None
    app_token: str = ""
    manager_token: str = ""
    stretch: float = 1.0
    wait: bool = True

    def write(self, folder: Path) -> None:
        """Put it where :func:`read_environment` finds it."""
        (folder / "environment.json").write_text(json.dumps(asdict(self)))

    def managed(self, folder: Path) -> SharedCounters:
        """The managing process's counters: a row a takeaway."""
        return SharedCounters(folder / "managed.counters", len(self.takeaways), Managed)

    def used(self, folder: Path, verifier: int) -> SharedCounters:
        """A verifying process's counters, which its successor after a kill goes on with: a row a token."""
        return SharedCounters(folder / f"used-{verifier}.counters", len(self.victims), Used)


def read_environment(folder: Path) -> Environment:
    """Return the environment that :meth:`Environment.write` wrote."""
    facts = json.loads((folder / "environment.json").read_text())
    takeaways = tuple(
        Takeaway(Way(one["way"]), one["workspace_id"], one["space_id"], tuple(one["tokens"]), one["external_id"])
        for one in facts.pop("takeaways")
    )
    victims = tuple(Victim(**one) for one in facts.pop("victims"))
    return Environment(**facts, takeaways=takeaways, victims=victims)
