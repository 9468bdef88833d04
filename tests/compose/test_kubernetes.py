"""The manifests for Kubernetes: valid by its schema, consistent, and the same as the containers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from jfcelery.project import load_file
from tests.support.tree import TREE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = TREE / "compose" / "kubernetes"
#: The release of Kubernetes whose schema is taken.
RELEASE = "1.30"


def documents() -> list[dict[str, Any]]:
    """Return all objects of all files."""
    yaml = YAML(typ="safe")
    return [doc for path in sorted(HERE.glob("*.yaml")) for doc in yaml.load_all(path)]


def name_of(document: dict[str, Any]) -> str:
    """Return kind and name of an object."""
    return f"{document['kind']}/{document['metadata']['name']}"


def pods() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield the name, labels and specification of each pod."""
    for document in documents():
        if document["kind"] in ("Deployment", "StatefulSet"):
            template = document["spec"]["template"]
            yield name_of(document), template["metadata"]["labels"], template["spec"]


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_objects_are_valid(document: dict[str, Any]) -> None:
    """By the schema of Kubernetes, without unknown keys."""
    kubernetes_validate.validate(document, RELEASE, strict=True)


def test_selectors_find_their_pods() -> None:
    """Deployments, services and policies select labels that pods have."""
    labels = [set(of_pod.items()) for _, of_pod, _ in pods()]
    for document in documents():
        spec = document.get("spec", {})
        selectors = [
            spec["selector"].get("matchLabels", spec["selector"]) if "selector" in spec else {},
            spec.get("podSelector", {}).get("matchLabels", {}),
        ]
        for selector in filter(None, selectors):
            assert any(set(selector.items()) <= found for found in labels), name_of(document)


@pytest.mark.parametrize("pod", list(pods()), ids=lambda pod: pod[0])
def test_pods_have_what_they_refer_to(pod: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    """Secrets with their keys, configurations, and volumes for all mounts."""
    found = {name_of(document): document for document in documents()}
    keys = found["Secret/jfcelery"]["stringData"].keys()
    _, _, spec = pod
    volumes = {volume["name"] for volume in spec["volumes"]}
    for volume in spec["volumes"]:
        if "configMap" in volume:
            assert f"ConfigMap/{volume['configMap']['name']}" in found
        if "secret" in volume and volume["secret"]["secretName"] != "jfcelery-ssh":
            assert {item["key"] for item in volume["secret"]["items"]} <= keys
    for container in spec["containers"]:
        # secrets are files: an environment shows itself to whoever inspects the pod
        assert [one for one in container.get("env", []) if "valueFrom" in one] == []
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted - volumes <= {"data"}  # which its claim provides


@pytest.mark.parametrize("pod", list(pods()), ids=lambda pod: pod[0])
def test_pods_are_bounded(pod: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    """No root, no new rights, a limit of memory, a probe."""
    _, _, spec = pod
    assert spec["securityContext"]["runAsNonRoot"] is True
    for container in spec["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert {"readinessProbe", "livenessProbe"} & container.keys()


def test_they_run_what_the_containers_run() -> None:
    """The same releases of database and broker, with the same configuration."""
    compose = YAML(typ="safe").load(HERE.parent / "compose.yml")["services"]
    images = {spec["containers"][0]["image"] for _, _, spec in pods()}
    assert {compose[name]["image"] for name in ("mongo", "redis")} < images
    ours = {image.rpartition("/")[2] for image in images if "jfcelery" in image}
    assert ours == {compose["runner"]["image"]}
    (redis,) = [doc for doc in documents() if name_of(doc) == "ConfigMap/redis"]
    for name, text in redis["data"].items():
        assert text == (HERE.parent / name).read_text()
    commands = {
        spec["containers"][0]["name"]: spec["containers"][0].get("args") for _, _, spec in pods()
    }
    for name in ("runner", "flower", "gui"):
        assert commands[name] == compose[name]["command"]


def test_the_database_starts_as_the_containers_does() -> None:
    """A replica set of one, made by its own probe; only the places of secrets and host differ."""
    mongo = YAML(typ="safe").load(HERE.parent / "compose.yml")["services"]["mongo"]
    (spec,) = [spec for name, _, spec in pods() if name == "StatefulSet/mongo"]
    (container,) = spec["containers"]

    def here(text: str) -> str:
        places = text.replace("/run/secrets/mongo_", "/run/secrets/jfcelery/mongo-")
        return places.replace('"mongo:27017"', '"mongo-0.mongo:27017"').replace("$$", "$")

    assert container["command"] == [here(word) for word in mongo["entrypoint"]]
    (_, probe) = mongo["healthcheck"]["test"]
    assert container["readinessProbe"]["exec"]["command"][-1] == here(probe)


def test_whatever_shows_run_folders_reaches_the_clusters() -> None:
    """Runners and the web page have the keys; Flower, which needs none, has none."""
    having = {
        name for name, _, spec in pods() if any(one["name"] == "ssh" for one in spec["volumes"])
    }
    assert having == {"Deployment/jfcelery-runner", "Deployment/jfcelery-gui"}
    compose = YAML(typ="safe").load(HERE.parent / "compose.yml")["services"]
    mounts = {
        name for name, one in compose.items() if any("/.ssh" in v for v in one.get("volumes", []))
    }
    assert mounts == {"runner", "gui", "jfc"}


def test_the_project_is_one(tmp_path: Path) -> None:
    """It is valid, and uses the services of these manifests."""
    (project,) = [doc for doc in documents() if name_of(doc) == "ConfigMap/jfcelery"]
    (tmp_path / "mongo-password").write_text(hashlib.sha256(b"a test").hexdigest())
    (tmp_path / "redis-url").write_text("redis://jfcelery:of-a-test@redis:6379/0")
    text = project["data"]["group.yaml"]
    path = tmp_path / "group.yaml"
    path.write_text(text.replace("/run/secrets/jfcelery", str(tmp_path)))
    loaded = load_file(path)
    services = {name_of(doc) for doc in documents() if doc["kind"] == "Service"}
    assert loaded.queue is not None
    assert f"Service/{loaded.queue.store['host']}" in services
    assert loaded.broker is not None
    assert "Service/redis" in services
