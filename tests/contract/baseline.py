"""The contract as it was released, or, before the first release, as it was last agreed: ``make baseline`` writes it."""

from __future__ import annotations

import json
from pathlib import Path

from spacekey.schema.export import printed_schema
from spacekey.server.http.openapi import document
from spacekey.server.http.routes import OPERATIONS

FOLDER = Path(__file__).with_suffix("")
OPENAPI = FOLDER / "openapi.json"
GRAPHQL = FOLDER / "schema.graphql"
ACCEPTED = FOLDER / "accepted.txt"
"""Breaking changes since then that are meant, one a line. ``make baseline`` empties it."""


def openapi_now() -> str:
    """Return the OpenAPI document as text."""
    return json.dumps(document(OPERATIONS), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write the contract as it is now."""
    FOLDER.mkdir(exist_ok=True)
    OPENAPI.write_text(openapi_now(), encoding="utf-8")
    GRAPHQL.write_text(printed_schema(), encoding="utf-8")
    ACCEPTED.write_text("", encoding="utf-8")


if __name__ == "__main__":
    main()
