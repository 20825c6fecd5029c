"""A release: dated once, complete, with the same bytes each time, and refused while something is missing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from release.__main__ import prepare
from release.build import Release, build, checksums, extras_of, release_of, tracked_files
from release.changelog import dated, released_at
from release.errors import ReleaseError
from release.readme import relative_links, with_absolute_links
from release.sbom import write_bom

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://git.example/spacekey"
MOMENT = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp())
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

CHANGELOG = "# Changelog\n\nText.\n\n## 0.2.0 – unreleased\n\nNew.\n\n## 0.1.0 – 2026-11-30\n\nOld.\n"


def test_a_section_is_dated_once() -> None:
    made = dated(CHANGELOG, "0.2.0", date(2027, 1, 5))
    assert made == CHANGELOG.replace("unreleased", "2027-01-05")
    assert released_at(made, "0.2.0") == datetime(2027, 1, 5, tzinfo=UTC)
    with pytest.raises(ReleaseError, match="was released on 2027-01-05"):
        dated(made, "0.2.0", date(2027, 1, 6))


@pytest.mark.parametrize("version", ["0.1.0", "0.3.0"])
def test_only_the_newest_section_is_dated(version: str) -> None:
    with pytest.raises(ReleaseError, match=r"begins with 0\.2\.0"):
        dated(CHANGELOG, version, date(2027, 1, 5))


def test_a_version_without_a_date_is_not_built() -> None:
    with pytest.raises(ReleaseError, match=r"0\.2\.0 has no date"):
        released_at(CHANGELOG, "0.2.0")
    with pytest.raises(ReleaseError, match=r"no section '## 0\.3\.0"):
        released_at(CHANGELOG, "0.3.0")


def test_the_changelog_of_the_repository_has_the_form_that_is_read() -> None:
    """Its newest section is this version's, with a date or without."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) – (?:unreleased|\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION
    if newest[0].endswith("unreleased"):
        assert released_at(dated(text, VERSION, date(2027, 1, 5)), VERSION) == datetime(2027, 1, 5, tzinfo=UTC)


def _tree(folder: Path, repository: str) -> Path:
    """A repository with the two files that a release changes."""
    for name in ("CHANGELOG.md", "pyproject.toml"):
        shutil.copyfile(ROOT / name, folder / name)
    project = folder / "pyproject.toml"
    text, count = re.subn(
        r'^repository = ".*"$', f'repository = "{repository}"', project.read_text(), flags=re.MULTILINE
    )
    assert count == 1
    project.write_text(text)
    return folder


def test_preparing_writes_version_and_date(tmp_path: Path) -> None:
    tree = _tree(tmp_path, REPOSITORY)
    changelog = tree / "CHANGELOG.md"
    changelog.write_text(CHANGELOG.replace("0.2.0", "9.0.0rc1"))
    prepare(tree, "9.0.0rc1", date(2026, 11, 30))
    assert release_of(tree) == Release("9.0.0rc1", REPOSITORY, MOMENT)


@pytest.mark.parametrize("version", ["1", "v0.1.0", "0.1.0-beta", "0.1.0\n", "٠.1.0"])
def test_what_is_no_version_is_refused_and_changes_nothing(tmp_path: Path, version: str) -> None:
    tree = _tree(tmp_path, REPOSITORY)
    before = [(tree / name).read_bytes() for name in ("CHANGELOG.md", "pyproject.toml")]
    with pytest.raises(ReleaseError):
        prepare(tree, version, date(2026, 11, 30))
    assert [(tree / name).read_bytes() for name in ("CHANGELOG.md", "pyproject.toml")] == before


@pytest.mark.parametrize("repository", ["", "git.example/spacekey"])
def test_without_the_address_of_the_repository_there_is_no_release(tmp_path: Path, repository: str) -> None:
    tree = _tree(tmp_path, repository)
    with pytest.raises(ReleaseError, match="repository is not set"):
        release_of(tree)


def test_every_link_of_the_readme_is_made_absolute() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    paths = list(relative_links(readme))
    assert paths
    assert [path for path in paths if not (ROOT / path.partition("#")[0]).exists()] == []
    made = with_absolute_links(readme, REPOSITORY, "0.1.0")
    assert list(relative_links(made)) == []
    assert f"]({REPOSITORY}/blob/v0.1.0/docs/README.md)" in made
    assert f'src="{REPOSITORY}/raw/v0.1.0/docs/screenshots/create.png"' in made
    assert re.sub(rf"{REPOSITORY}/(?:blob|raw)/v0\.1\.0/", "", made) == readme


def test_links_that_lead_elsewhere_stay() -> None:
    text = "[a](https://a.example/b.md) [b](#here) [c](mailto:x@y.example) `[d]` (e)"
    assert with_absolute_links(text, REPOSITORY, "0.1.0") == text


def test_the_checksums_are_read_by_sha256sum(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    assert list(checksums([tmp_path / "b", tmp_path / "a"])) == [
        f"{hashlib.sha256(name.encode()).hexdigest()}  {name}" for name in ("a", "b")
    ]


def _project_files() -> set[str]:
    return {name for name in tracked_files(ROOT) if (ROOT / name).exists()}


@pytest.mark.long
def test_the_sdist_holds_everything_that_is_committed(built: tuple[Path, Path]) -> None:
    """Docs, tests, changelog, tools: who has the sdist can do what a clone can."""
    with tarfile.open(built[0]) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isreg()}
        tops = {member.name.partition("/")[0] for member in archive}
    assert tops == {f"spacekey-{VERSION}"}
    made = {name for name in names if name.startswith("spacekey.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert names - made == _project_files()


@pytest.mark.long
def test_the_wheel_holds_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        names = {name for name in archive.namelist() if not name.startswith(f"spacekey-{VERSION}.dist-info/")}
        described = archive.read(f"spacekey-{VERSION}.dist-info/METADATA").decode()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    places = {one.removeprefix("spacekey.").replace(".", "/") for one in project["tool"]["setuptools"]["packages"]}
    code = {name for name in _project_files() if name.endswith(".py") and str(Path(name).parent) in places}
    assert {name for name in names if name.endswith(".py")} == {
        name if name.startswith("spacekey/") else f"spacekey/{name}" for name in code
    }
    suffixes = {Path(name).suffix or Path(name).name for name in names}
    assert suffixes == {".py", ".typed", ".toml", ".graphql", ".html", ".js", ".svg", ".css"}
    assert f"Project-URL: Source, {REPOSITORY}\n" in described
    assert "](docs/" not in described


@pytest.mark.long
def test_two_builds_have_the_same_bytes(
    built: tuple[Path, Path], release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another day, in another folder, time zone and locale, and with another umask."""
    clone = tmp_path / "elsewhere"
    for name in tracked_files(ROOT):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
        os.utime(clone / name, (1, 1))
    for command in (["init", "-q"], ["add", "--all", "--force"]):
        subprocess.run(["git", *command], cwd=clone, check=True, capture_output=True, timeout=60)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("LC_ALL", "C")
    before = os.umask(0o077)
    try:
        again = build(clone, tmp_path, release)
    finally:
        os.umask(before)
    assert [one.name for one in again] == [one.name for one in built]
    assert [one.read_bytes() == two.read_bytes() for one, two in zip(built, again, strict=True)] == [True, True]


@pytest.mark.long
@pytest.mark.skipif(find_spec("twine") is None, reason="TWINE IS NOT HERE: install the group release")
def test_an_index_takes_the_description(built: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.long
@pytest.mark.skipif(find_spec("cyclonedx_py") is None, reason="CYCLONEDX IS NOT HERE: install the group release")
def test_the_bill_of_materials_names_what_the_wheel_brings(built: tuple[Path, Path], tmp_path: Path) -> None:
    """Valid; every package at its tested version, what requires what, and nothing of this machine."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = write_bom(ROOT, built[1], tmp_path).read_text(encoding="utf-8")
    bom = json.loads(text)
    assert JsonStrictValidator(SchemaVersion.from_version(bom["specVersion"])).validate_str(text) is None
    assert bom["metadata"]["component"]["name"] == "spacekey"
    found = {(one["name"].lower().replace("_", "-"), one["version"]) for one in bom["components"]}
    pins = (line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pinned = {(name.lower().replace("_", "-"), version) for name, version in pins}
    names = {name for name, _ in found}
    assert {"starlette", "sqlmodel", "strawberry-graphql", "asyncpg", "redis", "opentelemetry-api", "anyio"} <= names
    required = [one for extra in extras_of(ROOT).values() for one in extra]
    direct = {re.split(r"[\[<>=;! ]", one)[0].lower().replace("_", "-") for one in required}
    assert direct - {"spacekey"} <= names  # an extra may name another
    assert found - {("spacekey", VERSION)} <= pinned
    graph = {one["ref"]: one.get("dependsOn", []) for one in bom["dependencies"]}
    [starlette] = [one["bom-ref"] for one in bom["components"] if one["name"] == "starlette"]
    assert graph[starlette]
    assert str(ROOT) not in text
    assert "file:" not in text
