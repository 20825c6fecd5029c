"""The sdist and the wheel of a release, built from the files that are committed, with the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .archive import EXECUTABLE, PLAIN, normalize
from .changelog import checked_version, released_at
from .errors import ReleaseError
from .readme import with_absolute_links

CHECKSUMS = "SHA256SUMS"
PAGES = {
    "Source": "{repository}",
    "Documentation": "{repository}/blob/v{version}/docs/README.md",
    "Changelog": "{repository}/blob/v{version}/CHANGELOG.md",
}
"""Links that an index shows beside the project."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is released.

    :param repository: the URL of the published repository.
    :param moment: the release's time in seconds since 1970, which all files in its archives have.
    """

    version: str
    repository: str
    moment: int


def release_of(root: Path) -> Release:
    """Return the release that the tree describes.

    :raises ReleaseError: the version has no date in the changelog, or the repository's URL is not set.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    version = checked_version(project["project"]["version"])
    repository = str(project["tool"]["spacekey"]["release"]["repository"]).rstrip("/")
    if not repository.startswith("https://"):
        raise ReleaseError(
            "pyproject.toml: [tool.spacekey.release] repository is not set; write the https:// URL at which the "
            "repository is published, since the README's links and the project's URLs are made from it"
        )
    moment = released_at((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    return Release(version, repository, int(moment.timestamp()))


def extras_of(root: Path) -> dict[str, list[str]]:
    """Return every extra of the package with what it requires."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return {str(name): list(required) for name, required in project["project"]["optional-dependencies"].items()}


def tracked_files(root: Path) -> list[str]:
    """Return the files that are committed, or are about to be.

    :raises ReleaseError: the folder is no repository.
    """
    command = ["git", "ls-files", "-z"]
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.CalledProcessError):
        raise ReleaseError(f"{root} is no git repository; releases are made from what is committed") from None
    return [name for name in listed.split("\0") if name]


def check_committed(root: Path) -> None:
    """Check that the tree is what is committed.

    :raises ReleaseError: a file is changed, or new.
    """
    command = ["git", "status", "--porcelain"]
    changed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=60).stdout
    if changed:
        raise ReleaseError(f"commit these first, or undo them:\n{changed.rstrip()}")


def build(root: Path, out: Path, release: Release) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from the sdist. Return their paths.

    :param out: an existing folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        tree, built = Path(folder) / "tree", Path(folder) / "built"
        _copy(root, tree)
        _complete(tree, release)
        for one in sorted(tree.rglob("*")):
            os.utime(one, (release.moment, release.moment))
        environ = {**os.environ, "SOURCE_DATE_EPOCH": str(release.moment)}
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(tree)]
        # The modes in a wheel are those of the files that the build writes, which follow the umask.
        done = subprocess.run(
            command, env=environ, umask=0o022, capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode != 0:
            raise ReleaseError(f"the build failed:\n{done.stdout}{done.stderr}")
        [sdist], [wheel] = built.glob("*.tar.gz"), built.glob("*.whl")
        normalize(sdist, release.moment)
        return Path(shutil.move(sdist, out / sdist.name)), Path(shutil.move(wheel, out / wheel.name))


def _copy(root: Path, tree: Path) -> None:
    """Copy the committed files, with modes that do not depend on the machine's umask."""
    for name in tracked_files(root):
        source, target = root / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(EXECUTABLE if source.stat().st_mode & 0o100 else PLAIN)


def _complete(tree: Path, release: Release) -> None:
    """Write what depends on where the repository is published into the copy."""
    readme = tree / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(with_absolute_links(text, release.repository, release.version), encoding="utf-8")
    project = tree / "pyproject.toml"
    pages = {name: url.format(repository=release.repository, version=release.version) for name, url in PAGES.items()}
    urls = "\n".join(f"{name} = {json.dumps(url)}" for name, url in pages.items())
    project.write_text(f"{project.read_text(encoding='utf-8')}\n[project.urls]\n{urls}\n", encoding="utf-8")


def checksums(files: Iterable[Path]) -> Iterator[str]:
    """Yield a line for each file, as ``sha256sum --check`` reads them."""
    for file in sorted(files):
        yield f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}"
