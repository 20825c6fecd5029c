"""Each Python that Spacekey is for: part of the suite on the interpreters that are here, packages and types for others.

``python -m release.pythons [PATH…]`` installs the wheel, not the folders, into an environment for each interpreter and
runs the tests at these paths there. For a version without an interpreter it says so loudly, resolves every package
of every extra as a binary one and checks the types.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .build import extras_of

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "pythons"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
PATHS = ("tests/domain", "tests/middleware")
_ASK = "import sys; print('%d.%d' % sys.version_info[:2])"


def interpreter(version: str) -> Path | None:
    """Return the interpreter of a version, on the path or among pyenv's; None if there is none."""
    candidates = [Path(found) for found in (shutil.which(f"python{version}"),) if found]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)
    for one in candidates:
        asked = subprocess.run([str(one), "-c", _ASK], capture_output=True, text=True, check=False, timeout=60)
        if asked.stdout.strip() == version:
            return one
    return None


def run_suite(version: str, python: Path, paths: Sequence[str]) -> bool:
    """Run the tests at these paths on an interpreter, with the wheel installed. Return whether they passed."""
    home = HOME / version
    shutil.rmtree(home / "tree", ignore_errors=True)
    _copy_tests(home / "tree")
    wheels = home / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    own = home / "venv" / "bin" / "python"
    if not own.exists():
        _run([str(python), "-m", "venv", str(home / "venv")])
    pip = [str(own), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    _run([*pip, "install", "--upgrade", "pip"])
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # setuptools would take modules that are gone from there
    _run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)])
    [wheel] = wheels.glob("*.whl")
    constraint = ["--constraint", str(ROOT / "constraints.txt")]
    wanted = f"{wheel}[{','.join(extras_of(ROOT))}]"
    _run([*pip, "install", *constraint, wanted, "--group", f"{ROOT / 'pyproject.toml'}:dev"])
    _run([*pip, "install", "--force-reinstall", "--no-deps", str(wheel)])
    environ = {**os.environ, "PYTHONPYCACHEPREFIX": str(home / "compiled")}
    command = [str(own), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", *paths]
    return subprocess.run(command, cwd=home / "tree", env=environ, check=False).returncode == 0


def _copy_tests(tree: Path) -> None:
    """Copy the repository without the package's root, which Python would import in place of the wheel."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        if name and not name.startswith("spacekey/"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)


def check_from_afar(version: str) -> bool:
    """Resolve every package as a binary one for a version, and check the types for it. Return whether both passed."""
    wanted = [one for extra in extras_of(ROOT).values() for one in extra if not one.startswith("spacekey[")]
    folder = HOME / version / "packages"
    options = ["--python-version", version, "--only-binary=:all:", "--dest", str(folder)]
    download = [sys.executable, "-m", "pip", "download", "--quiet", *options]
    house = ROOT / "build" / "house"
    mypy = [sys.executable, "-m", "mypy", "--python-version", version, "--config-file", str(ROOT / "pyproject.toml")]
    cache = ["--cache-dir", str(HOME / version / "mypy")]
    packages = [f"spacekey/{name}" for name in sorted(one.name for one in (house / "spacekey").iterdir())]
    return (
        subprocess.run([*download, "--constraint", str(ROOT / "constraints.txt"), *wanted], check=False).returncode == 0
        and subprocess.run([*mypy, *cache, *packages], cwd=house, check=False).returncode == 0
    )


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


def main(paths: Sequence[str]) -> int:
    """Check every version. Return 0 if all that could run passed."""
    results = {}
    for version in VERSIONS:
        python = interpreter(version)
        if python is not None:
            results[version] = ("suite", run_suite(version, python, paths or PATHS))
            continue
        print(f"NO PYTHON {version} ON THIS MACHINE: only packages and types are checked for it", flush=True)
        results[version] = ("packages and types only, the suite was skipped", check_from_afar(version))
    for version, (what, passed) in results.items():
        print(f"Python {version}: {what}: {'passed' if passed else 'FAILED'}")
    return 0 if all(passed for _, passed in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
