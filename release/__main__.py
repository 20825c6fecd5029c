"""Make a release: ``make release-prepare VERSION=0.1.0``, commit, then ``make release``. CONTRIBUTING.md
explains.

``prepare`` writes the version into pyproject.toml and today's date into its section of the changelog. ``build`` writes
the sdist, the wheel, the bill of materials and the checksums into ``dist/``, from what is committed, and checks how an
index would read them.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from .build import CHECKSUMS, build, check_committed, checksums, release_of
from .changelog import checked_version, dated
from .errors import ReleaseError
from .sbom import write_bom

ROOT = Path(__file__).resolve().parent.parent
_VERSION = re.compile(r'^version = "[^"]*"$', re.MULTILINE)


def prepare(root: Path, version: str, day: date) -> None:
    """Write the version into pyproject.toml and the changelog.

    :raises ReleaseError: it is not the changelog's newest version, or was released already.
    """
    changelog, project = root / "CHANGELOG.md", root / "pyproject.toml"
    new = dated(changelog.read_text(encoding="utf-8"), checked_version(version), day)
    text, count = _VERSION.subn(f'version = "{version}"', project.read_text(encoding="utf-8"))
    if count != 1:
        raise ReleaseError(f"pyproject.toml has {count} lines with a version, and one is expected")
    changelog.write_text(new, encoding="utf-8")
    project.write_text(text, encoding="utf-8")


def make(root: Path, out: Path) -> list[Path]:
    """Build everything that is published, and check it. Return the files.

    :raises ReleaseError: something about the tree is not ready; says what.
    """
    release = release_of(root)
    check_committed(root)
    if out.exists():
        shutil.rmtree(out)
    out.mkdir()
    archives = build(root, out, release)
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, archives)], check=True, timeout=120)
    files = [*archives, write_bom(root, archives[1], out)]
    sums = out / CHECKSUMS
    sums.write_text("".join(f"{line}\n" for line in checksums(files)), encoding="utf-8")
    return [*files, sums]


def main(arguments: list[str]) -> None:
    """Run one of the two steps."""
    parser = argparse.ArgumentParser(
        prog="python -m release", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("prepare", help="write the version and today's date into the tree")
    first.add_argument("version")
    steps.add_parser("build", help="build what is published into dist/")
    asked = parser.parse_args(arguments)
    try:
        if asked.step == "prepare":
            prepare(ROOT, asked.version, datetime.now(UTC).date())
            print(f"Look at the changes, commit them, tag the commit v{asked.version}, then: make release")
            return
        for file in make(ROOT, ROOT / "dist"):
            print(file.relative_to(ROOT))
    except ReleaseError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
