"""The image, built from its Dockerfile on a root file system of Debian's: it starts alone and is used.

No registry and no daemon: mmdebstrap makes the base, buildah runs the steps, and the server runs in a chroot.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.first_use import create_verify_revoke
from support.processes import started
from support.servers.tls import free_port
from support.world import EXAMPLES

ROOT = EXAMPLES.parent
DEPLOY = EXAMPLES / "deploy"
SECONDS_MAX = 1_500
MOUNTED = ("/etc/pip.conf", "/root/.config/pip/pip.conf", "/etc/ssl/certs")
"""How this machine reaches the package registries, which the steps need."""

NEEDED = [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(2 * SECONDS_MAX),
    pytest.mark.skipif(
        bool(NEEDED) or os.geteuid() != 0,
        reason=f"IMAGE NOT BUILT: this needs root, buildah and mmdebstrap; missing: {', '.join(NEEDED) or 'root'}",
    ),
]


@dataclass(frozen=True)
class Buildah:
    """Buildah with images and containers in a folder of its own.

    :param folder: must not be on a file system in memory: images are copied as a whole.
    """

    folder: Path

    def command(self, *words: str) -> list[str]:
        """A command line."""
        places = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        return ["buildah", *places, "--storage-driver", "vfs", *words]

    def __call__(self, *words: str) -> str:
        """What a command prints."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, check=False, timeout=SECONDS_MAX, cwd=ROOT
        )
        assert done.returncode == 0, f"buildah {' '.join(words)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout.strip()

    def inside(self, container: str, *command: str, environ: dict[str, str]) -> list[str]:
        """A command line in a container, with the image's user, folder and environment."""
        variables = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
        return self.command("run", "--isolation", "chroot", *variables, container, "--", *command)


@pytest.fixture(scope="module")
def buildah() -> Iterator[Buildah]:
    """Buildah with the image ``spacekey`` in it."""
    folder = ROOT / "build" / "image"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    buildah = Buildah(folder)
    base = folder / "base.tar"
    packages = "python3,python3-venv,ca-certificates"
    debian = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", "bookworm", str(base)]
    subprocess.run(debian, check=True, timeout=SECONDS_MAX)
    scratch = buildah("from", "scratch")
    buildah("add", "--quiet", scratch, str(base), "/")
    buildah("commit", "--quiet", "--rm", scratch, "localhost/base")
    mounts = [word for one in MOUNTED if Path(one).exists() for word in ("--volume", f"{one}:{one}:ro")]
    options = [
        "--format",
        "docker",
        "--isolation",
        "chroot",
        "--network",
        "host",
        "--tag",
        "localhost/spacekey",
        *mounts,
    ]
    ignored = str(DEPLOY / "Dockerfile.dockerignore")
    buildah(
        *("build", *options, "--build-arg", "BASE=localhost/base"),
        *("--file", str(DEPLOY / "Dockerfile"), "--ignorefile", ignored, str(ROOT)),
    )
    try:
        yield buildah
    finally:
        buildah("rm", "--all")
        shutil.rmtree(folder, ignore_errors=True)


def test_the_image_says_how_it_is_run(buildah: Buildah) -> None:
    config = json.loads(buildah("inspect", "--type", "image", "localhost/spacekey"))["Docker"]["config"]
    assert config["User"] == "10001"
    assert config["Cmd"] == ["spacekey", "serve"]
    assert set(config["ExposedPorts"]) == {"8000/tcp"}
    assert set(config["Volumes"]) == {"/data"}
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert "SPACEKEY_HOST=0.0.0.0" in config["Env"]


def test_the_image_starts_alone_and_is_used(buildah: Buildah, tmp_path: Path) -> None:
    """No setting but the port, which the container shares with this machine here."""
    container, port = buildah("from", "localhost/spacekey"), free_port()
    environ = {"SPACEKEY_PORT": str(port)}
    config = json.loads(buildah("inspect", "--type", "image", "localhost/spacekey"))["Docker"]["config"]
    serve = buildah.inside(container, *config["Cmd"], environ=environ)
    with started(serve, dict(os.environ), tmp_path / "said", r"listens on (http://\S+)"):
        demo = buildah.inside(container, "spacekey", "demo", "--json", environ=environ)
        made = subprocess.run(demo, capture_output=True, text=True, check=True, timeout=300)
        create_verify_revoke(f"http://127.0.0.1:{port}", json.loads(made.stdout)["token"]["secret"])
        healthy = buildah.inside(container, *config["Healthcheck"]["Test"][1:], environ=environ)
        assert subprocess.run(healthy, check=False, timeout=60).returncode == 0
    healthy = buildah.inside(container, *config["Healthcheck"]["Test"][1:], environ=environ)
    assert subprocess.run(healthy, check=False, timeout=60, capture_output=True).returncode != 0


def test_the_server_in_it_writes_its_volume_and_nothing_else(buildah: Buildah) -> None:
    container = buildah("from", "localhost/spacekey")
    tried = "import os; print(os.getuid(), *(os.access(one, os.W_OK) for one in ('/data', '/opt/spacekey', '/etc')))"
    command = buildah.inside(container, "python", "-c", tried, environ={})
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.split() == ["10001", "True", "False", "False"]
