"""What each thing in this app requires. Starlette, FastAPI and GraphQL use the same rules.

Two products share the app: emit has a scope for each step of a job's life, spooled has ``jobs:write`` for several
steps and scopes of its own for queues and the dead-letter queue. ``any_of`` says where either product's scope will do.
A scope is matched exactly: ``jobs:read`` opens no single-job stream, and ``jobs:read:progress`` no list.
"""

from pathlib import Path

from spacekey.domain.catalog_file import load_catalogs
from spacekey.middleware import all_of, any_of

CREATE = any_of("jobs:create", "jobs:write")
READ = all_of("jobs:read")
POLL = all_of("jobs:poll")
ACK = all_of("jobs:ack")
PROGRESS = all_of("jobs:progress")
EVENT = all_of("jobs:event")
COMPLETE = any_of("jobs:complete", "jobs:write")
FAIL = any_of("jobs:fail", "jobs:write")
KEEPALIVE = all_of("jobs:keepalive")

JOB_STREAM = all_of("jobs:read:progress")
FEED = all_of("jobs:read")

QUEUES_READ = all_of("queues:read")
QUEUES_WRITE = all_of("queues:write")
DLQ_READ = all_of("dlq:read")
DLQ_WRITE = all_of("dlq:write")


def catalog_files() -> list[Path]:
    """The catalogs whose tokens the app understands."""
    folder = Path(__file__).resolve().parent.parent
    return [folder / "emit.toml", folder / "spooled.toml"]


def known_scopes() -> frozenset[str]:
    """Every scope those catalogs have: a rule that names another one stops the app's start."""
    return frozenset().union(*(catalog.known_scopes for catalog in load_catalogs(catalog_files()).values()))
