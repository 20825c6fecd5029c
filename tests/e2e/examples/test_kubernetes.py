"""The Kubernetes manifests: valid by Kubernetes' own schemas, and what they say of the server is so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from spacekey.middleware.usage.collector import CLOSE_SECONDS
from spacekey.resolvers.staleness import STALENESS_SECONDS_MAX
from spacekey.server.app import LAST_WRITES_SECONDS
from spacekey.server.serving.serve import GRACEFUL_SECONDS, LOOK_SECONDS
from spacekey.server.settings import Settings, is_service_link
from support.world import EXAMPLES

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
