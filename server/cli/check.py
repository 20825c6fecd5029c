"""``spacekey check``: find errors in settings, catalogs, the database and the clock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._output import Listing
from ._run import AsJson, Failure


def check(
    catalogs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="CATALOG.toml…", help="Check only these files; left out: everything there is."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check settings, catalogs, the database's revision and the clock; exits with 1 when something is wrong."""
    from ._findings import findings_of

    findings = findings_of(catalogs)
    with Listing(as_json, "what", "result", "detail", "remedy", limit=len(findings)) as listing:
        for finding in findings:
            listing.add(finding.facts())
    wrong = sum(finding.is_wrong for finding in findings)
    if wrong:
        raise Failure(f"{wrong} of {len(findings)} checks found something wrong; do what the remedies say.")
