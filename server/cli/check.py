"""``spacekey check``: find errors in settings, products, the database and the clock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._connection import check_local
from ._options import AsArray, AsLines
from .common.output import Format, Listing, styled
from .common.run import Failure

if TYPE_CHECKING:
    from .common.findings import Finding

_STYLES = {"ok": "green", "warning": "yellow", "wrong": "red", "skipped": "dim"}


def check(
    products: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PRODUCT.toml…", help="Check only these files; left out: everything there is."),
    ] = None,
    as_json: AsArray = False,
    as_lines: AsLines = False,
) -> None:
    """Check settings, products, the database's revision and the clock; exits with 1 when something is wrong."""
    from .common.findings import findings_of

    if not products:
        check_local()
    form = Format(as_json, as_lines)
    findings = findings_of(products)
    if as_json or as_lines:
        with Listing(form) as listing:
            for finding in findings:
                listing.add(finding.facts())
    else:
        _show(findings)
    wrong = sum(finding.is_wrong for finding in findings)
    if wrong:
        raise Failure(f"{wrong} of {len(findings)} checks found something wrong; do what the remedies say.")


def _show(findings: list[Finding]) -> None:
    """Print each finding in whole, a remedy below what it is for: a message that is cut is no help."""
    from .common.table import INDENT, cells, fitted, printable, terminal_width, wrapped

    width, first = terminal_width(), max(cells(finding.result) for finding in findings)
    for finding in findings:
        style = _STYLES.get(finding.result, "")
        texts = [f"{finding.what}: {finding.detail}", finding.remedy]
        lines = [
            line
            for text in texts
            if text
            for line in wrapped(printable(text), None if width is None else width - first - INDENT)
        ]
        for number, line in enumerate(lines):
            print(styled(fitted(finding.result if number == 0 else "", first), style) + " " * INDENT + line)
