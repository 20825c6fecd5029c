"""The deployment examples name commands, options and settings that exist, and have the shape their programs want."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from spacekey.examples.jobs import __main__ as jobs
from spacekey.middleware.usage.collector import CLOSE_SECONDS
from spacekey.models.engine.store import POOL_SIZE, READ_POOL_SIZE
from spacekey.models.lookup.postgres import LOOKUP_POOL_SIZE
from spacekey.resolvers.staleness import STALENESS_SECONDS_MAX
from spacekey.server.app import LAST_WRITES_SECONDS
from spacekey.server.serving.serve import GRACEFUL_SECONDS, LOOK_SECONDS
from spacekey.server.settings import Settings, is_service_link, variable_names
from support.world import EXAMPLES

DEPLOY = EXAMPLES / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANY_MACHINES = EXAMPLES.parent / "docs" / "how-to" / "many-machines.md"


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return services


def _commands() -> Iterator[tuple[str, list[str]]]:
    for name, service in _services().items():
        if "command" in service:
            yield name, service["command"]
    for unit in UNITS:
        for line in re.findall(r"^ExecStart(?:Pre)?=(.+)$", unit.read_text(), re.MULTILINE):
            program, *arguments = line.split()
            yield (
                unit.name if program.endswith("python") else f"{unit.name} {arguments[0]}",
                [Path(program).name, *arguments],
            )


COMMANDS = dict(_commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_its_app_can_be_made(
    name: str, spacekeys_help: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, *arguments = COMMANDS[name]
    if program == "spacekey":
        assert arguments[0] in spacekeys_help.split(), arguments
        return
    assert [program, *arguments[:2]] == ["python", "-m", "spacekey.examples.jobs"]
    for variable in _variables(name):
        monkeypatch.setenv(variable, VALUES[variable])
    asked = jobs.arguments().parse_args(arguments[2:])
    assert jobs.chosen_verifier(asked) is not None
    if name in _services():
        assert jobs.chosen_limits(asked) is not None
        assert (asked.host, asked.processes) == ("0.0.0.0", 2)
        assert _services()[name]["ports"][0].endswith(f":{asked.port}")


VALUES = {
    "SPACEKEY_DATABASE_URL": "postgresql://spacekey:secret@postgres/spacekey",
    "JOBS_SPACEKEY_TOKEN": "spk_live_secret",
}


def _variables(name: str) -> set[str]:
    """What an app finds in its environment; a unit says so in a comment over its file."""
    services = _services()
    if name in services:
        return set(services[name]["environment"])
    return set(re.findall(r"^# (JOBS_\w+):", (DEPLOY / "systemd" / name).read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def spacekeys_help() -> str:
    """What the command line says of itself."""
    command = [sys.executable, "-c", "from spacekey.server.cli import main; main()", "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout


def test_the_secret_of_the_service_comes_from_a_file_that_is_not_committed() -> None:
    """Only the app that asks the servers sees it."""
    services, variable = _services(), "JOBS_SPACEKEY_TOKEN"
    having = {name for name, one in services.items() if variable in one.get("environment", {})}
    assert having == {"app-remote"}
    assert services["app-remote"]["environment"][variable] == f"${{{variable}:-}}"
    text = (DEPLOY / "compose.yaml").read_text()
    example = dict(line.split("=") for line in (DEPLOY / "env.example").read_text().splitlines() if line[0] != "#")
    assert example == dict.fromkeys(re.findall(r"\$\{(\w+)", text), "")
    assert ".env" in (DEPLOY.parents[1] / ".gitignore").read_text().splitlines()


def test_the_image_is_built_from_the_package_and_nothing_else() -> None:
    """Every folder that is a package, what the build reads, and no .env."""
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    project = tomllib.loads((DEPLOY.parents[1] / "pyproject.toml").read_text())
    folders = {name.split(".")[1] if "." in name else name for name in project["tool"]["setuptools"]["packages"]}
    assert {line[1:] for line in ignored if line[0] == "!"} == folders | {
        "constraints.txt",
        "pyproject.toml",
        project["project"]["readme"],
    }
    assert "*" in ignored
    assert ignored.index("**/.env") > max(place for place, line in enumerate(ignored) if line[0] == "!")


def test_every_setting_exists() -> None:
    files = [DEPLOY / "compose.yaml", DEPLOY / "Dockerfile", *UNITS, *(DEPLOY / "kubernetes").glob("*.yaml")]
    named = {name for file in files for name in re.findall(r"\bSPACEKEY_[A-Z_]+(?=[:= ])", file.read_text())}
    assert "SPACEKEY_DATABASE_URL" in named
    assert {name.removesuffix("_FILE") for name in named} <= set(variable_names())


def test_the_base_of_the_image_is_pinned_to_a_python_that_is_tested() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    [base] = re.findall(r"^ARG BASE=(\S+)$", text, re.MULTILINE)
    version = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert version is not None
    assert f'"Programming Language :: Python :: {version[1]}"' in (EXAMPLES.parent / "pyproject.toml").read_text()
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE}"}
    tag = base.partition("@")[0]
    assert f"docker buildx imagetools inspect {tag}\n" in (EXAMPLES.parent / "docs/how-to/install.md").read_text()


def test_there_are_two_servers_and_two_apps_on_one_database_that_is_migrated_first() -> None:
    services = _services()
    servers = [one for one in services.values() if one.get("command") == ["spacekey", "serve"]]
    apps = [one for one in services.values() if "spacekey.examples.jobs" in one.get("command", ())]
    assert (len(servers), len(apps)) == (2, 2)
    for one in servers:
        assert one["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert one["environment"]["SPACEKEY_PROCESSES"] == str(len(servers))
    assert len({one["environment"]["SPACEKEY_DATABASE_URL"] for one in servers}) == 1


def test_stopping_leaves_time_for_requests_and_last_writes() -> None:
    needed = LOOK_SECONDS + GRACEFUL_SECONDS + STALENESS_SECONDS_MAX + LAST_WRITES_SECONDS + CLOSE_SECONDS
    assert int(_services()["server-a"]["stop_grace_period"].removesuffix("s")) > needed
    stop = re.search(r"^TimeoutStopSec=(\d+)$", (DEPLOY / "systemd/spacekey.service").read_text(), re.MULTILINE)
    assert stop is not None
    assert int(stop[1]) > needed


def test_a_database_that_is_late_at_boot_keeps_nothing_down_for_good() -> None:
    """A unit that requires another one is not started again when that one failed; one that fails often is given up."""
    for unit in UNITS:
        lines = unit.read_text().splitlines()
        assert {"Restart=on-failure", "StartLimitIntervalSec=0"} <= set(lines), unit.name
        assert not [line for line in lines if line.startswith(("Requires=", "BindsTo=", "Requisite="))]
    server = (DEPLOY / "systemd/spacekey.service").read_text()
    assert re.findall(r"^Exec\w+=\S+ (.+)$", server, re.MULTILINE) == ["migrate", "serve"]
    services = _services()
    assert services["migrate"]["restart"].startswith("on-failure")
    # Over a socket file it answers during the set-up of its data as well, just before it ends once more.
    assert services["postgres"]["healthcheck"]["test"][:4] == ["CMD", "pg_isready", "--host", "127.0.0.1"]


def test_whoever_puts_a_proxy_in_front_is_told_what_to_set() -> None:
    proxied = {"SPACEKEY_TRUSTED_PROXIES", "SPACEKEY_PUBLIC_URL"}
    texts = [MANY_MACHINES, DEPLOY / "env.example", DEPLOY / "systemd/spacekey.service"]
    assert [proxied - set(re.findall(r"SPACEKEY_[A-Z_]+", file.read_text())) for file in texts] == [set()] * 3
    for name in ("server-a", "server-b"):
        given = _services()[name]["environment"]
        assert {given[variable] for variable in proxied} == {f"${{{variable}:-}}" for variable in proxied}


def test_the_page_counts_connections_as_the_code_does() -> None:
    text = MANY_MACHINES.read_text()
    assert (
        f"| a server | {POOL_SIZE} for changes, {READ_POOL_SIZE} for lists and single records, "
        f"{LOOKUP_POOL_SIZE} for verification |" in text
    )
    assert f"exceed {POOL_SIZE + READ_POOL_SIZE + LOOKUP_POOL_SIZE} × (servers + embedded apps)" in text


def test_the_page_tells_the_ports_and_times_of_the_examples() -> None:
    text = " ".join(MANY_MACHINES.read_text().split())
    services = _services()
    ports = [services[name]["ports"][0].split(":")[1] for name in ("server-a", "server-b")]
    assert "on ports {} and {} of this machine".format(*ports) in text
    ports = [services[name]["ports"][0].split(":")[1] for name in ("app-embedded", "app-remote")]
    assert "the apps on {} and {};".format(*ports) in text
    assert f"requests under way {GRACEFUL_SECONDS} seconds and the revocation delay" in text
    assert f"Give it {services['server-a']['stop_grace_period'].removesuffix('s')} before you kill it" in text


def test_images_are_named_without_a_registry() -> None:
    images = [one["image"] for one in _services().values()]
    images += re.findall(r"^ARG BASE=(\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert not [image for image in images if "." in image.split("/")[0].split(":")[0]]


def test_no_secret_is_written_down() -> None:
    for file in [*DEPLOY.rglob("*.*"), DEPLOY / "Dockerfile"]:
        if file.is_file() and file.name != ".env":
            assert not re.findall(r"(?i)password[:=] *[\"']?[a-z0-9]{4}", file.read_text()), file


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="NO SYSTEMD: units are NOT CHECKED here; install systemd"
)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path, tmp_path: Path) -> None:
    """Checked in a copy whose programs exist; the paths of the example are those of an installation."""
    for each in UNITS:
        text = re.sub(r"^(ExecStart|ExecStartPre)=\S+", r"\1=/bin/true", each.read_text(), flags=re.MULTILINE)
        (tmp_path / each.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or unit.name in line]
    assert ours == []


# The Kubernetes manifests: valid by Kubernetes' own schemas, and what they say of the server is so.


FOLDER = EXAMPLES / "deploy" / "kubernetes"
KUSTOMIZATION = "kustomization.yaml"


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(FOLDER.glob("*.yaml")):
        if file.name != KUSTOMIZATION:
            for one in yaml.safe_load_all(file.read_text(encoding="utf-8")):
                yield one["kind"], one


MANIFESTS = dict(manifests())
PODS = {kind: MANIFESTS[kind]["spec"]["template"]["spec"] for kind in ("Deployment", "Job")}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_the_manifest_is_valid(kind: str) -> None:
    kubernetes_validate.validate(MANIFESTS[kind], "1.34", strict=True)


def test_a_misspelled_key_would_be_noticed() -> None:
    pod = MANIFESTS["Deployment"]["spec"]["template"]["spec"]
    wrong = {
        **MANIFESTS["Deployment"],
        "spec": {**MANIFESTS["Deployment"]["spec"], "template": {"spec": {**pod, "x": 1}}},
    }
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.34", strict=True)


def test_everything_is_listed_for_kustomize() -> None:
    listed = yaml.safe_load((FOLDER / KUSTOMIZATION).read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == sorted(file.name for file in FOLDER.glob("*.yaml") if file.name != KUSTOMIZATION)


@pytest.mark.parametrize("kind", PODS)
def test_a_pod_has_no_service_links_and_no_rights(kind: str) -> None:
    pod = PODS[kind]
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    [container] = pod["containers"]
    dockerfile = (EXAMPLES / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert f"USER {pod['securityContext']['runAsUser']}\n" in dockerfile
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_settings_are_settings() -> None:
    given = dict(MANIFESTS["ConfigMap"]["data"])
    mounted = PODS["Deployment"]["containers"][0]["volumeMounts"][0]["mountPath"]
    assert given.pop("SPACEKEY_DATABASE_URL_FILE") == f"{mounted}/url"
    assert not [name for name, value in given.items() if is_service_link(name, value)]
    made = Settings.from_environ({**given, "SPACEKEY_DATABASE_URL": "postgresql://spacekey@db/spacekey"})
    assert made.processes == MANIFESTS["Deployment"]["spec"]["replicas"]
    assert made.port == PODS["Deployment"]["containers"][0]["ports"][0]["containerPort"]


def test_probes_restart_for_the_process_and_send_no_requests_for_the_database() -> None:
    [container] = PODS["Deployment"]["containers"]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}


def test_one_command_migrates_and_one_serves() -> None:
    assert {kind: pod["containers"][0]["command"] for kind, pod in PODS.items()} == {
        "Job": ["spacekey", "migrate"],
        "Deployment": ["spacekey", "serve"],
    }


def test_the_service_and_the_budget_mean_the_servers_and_not_the_migration() -> None:
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["Service"]["spec"]["selector"] == labels
    assert MANIFESTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["Job"]["spec"]["template"]["metadata"]["labels"] != labels
    assert MANIFESTS["PodDisruptionBudget"]["spec"]["maxUnavailable"] < MANIFESTS["Deployment"]["spec"]["replicas"]


def test_a_stop_has_the_time_that_it_needs() -> None:
    [container] = PODS["Deployment"]["containers"]
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    needed = LOOK_SECONDS + GRACEFUL_SECONDS + STALENESS_SECONDS_MAX + LAST_WRITES_SECONDS + CLOSE_SECONDS
    assert PODS["Deployment"]["terminationGracePeriodSeconds"] > waits + needed
