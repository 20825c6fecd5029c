"""Rules of the app's operations, which Starlette, FastAPI and GraphQL share.

Two products share the app: emit has a scope for each step of a job's life, spooled has ``jobs:write`` for several
steps and scopes of its own for queues and the dead-letter queue. ``any_of`` accepts either product's scope.
A scope is matched exactly: ``jobs:read`` opens no single-job stream, and ``jobs:read:progress`` no list.
"""

from pathlib import Path

from spacekey import all_of, any_of
from spacekey.domain.product_file import load_products

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


def product_files() -> list[Path]:
    """Return the files of the products whose tokens the app accepts."""
    folder = Path(__file__).resolve().parent.parent
    return [folder / "emit.toml", folder / "spooled.toml"]


def known_scopes() -> frozenset[str]:
    """Return all scopes of these products. The app does not start with a rule that names another one."""
    return frozenset().union(*(product.known_scopes for product in load_products(product_files()).values()))
