"""Run the application: ``python -m spacekey.examples.embedded --help``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvicorn

from spacekey import ConfigurationError, Keys, Secret

from .app import make_app
from .people import demo_people
from .portal import Portal

CREDENTIAL_VARIABLE = "HARBOR_SPACEKEY_TOKEN"
"""Variable with the operator credential. Arguments would be visible to other users."""
PRODUCT = Path(__file__).resolve().parent.parent / "spooled.toml"


def main() -> None:
    """Read the arguments and serve."""
    asked = arguments().parse_args()
    try:
        keys = Keys(asked.store, [PRODUCT])
        portal = None if asked.spacekey is None else portal_at(asked)
    except ConfigurationError as error:
        sys.exit(str(error))
    uvicorn.run(make_app(keys, demo_people(), portal), host="127.0.0.1", port=asked.port)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    parser = argparse.ArgumentParser(prog="python -m spacekey.examples.embedded")
    parser.add_argument("--port", type=int, default=8002)
    parser.add_argument(
        "--store", default="sqlite:///data/spacekey.db", metavar="URL", help="the database in which the keys are"
    )
    parser.add_argument(
        "--spacekey",
        metavar="URL",
        help=f"a Spacekey on that database; the operator credential in {CREDENTIAL_VARIABLE}",
    )
    return parser


def portal_at(asked: argparse.Namespace) -> Portal:
    """Return the portal at a server.

    :raises ConfigurationError: the credential is missing.
    """
    credential = os.environ.get(CREDENTIAL_VARIABLE)
    if not credential:
        raise ConfigurationError(
            f"{CREDENTIAL_VARIABLE} is not set; put a service's secret there; it needs operator:portal_sessions"
        )
    return Portal(asked.spacekey, Secret(credential), f"http://127.0.0.1:{asked.port}")


if __name__ == "__main__":
    main()
