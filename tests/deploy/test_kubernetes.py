import json
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from tests.deploy.deployed import (
    COMPONENTS,
    KUBERNETES,
    OVERLAYS,
    REPOSITORY,
    compose,
    containers,
    dockerfile,
    environment,
    inherited,
    named,
    render,
)

ROUTES = json.loads((REPOSITORY / "tests/service/openapi.json").read_text(encoding="utf-8"))[
    "paths"
]
KUBERNETES_VERSION = "1.31"
"""The oldest that the manifests are held against; a pause before stopping needs 1.30."""

Documents = list[dict[str, Any]]
SELECTING = {"Deployment", "StatefulSet", "PodDisruptionBudget"}

overlays = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)


def lapel(documents: Documents) -> dict[str, Any]:
    (container,) = (c for c in containers(documents) if c["name"] == "lapel")
    return container


def pod(documents: Documents, kind: str, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = named(documents, kind, name)["spec"]["template"]
    return spec


def cpus(quantity: str) -> float:
    return float(quantity.removesuffix("m")) / (1000 if quantity.endswith("m") else 1)


def mebibytes(quantity: str) -> int:
    return int(quantity[:-2]) * {"Mi": 1, "Gi": 1024}[quantity[-2:]]


def test_there_is_an_overlay_for_each_target_of_the_image():
    assert [path.name for path in OVERLAYS] == ["cpu", "gpu"]
    assert {path.name for path in OVERLAYS} <= dockerfile().keys()
    for overlay in OVERLAYS:
        assert lapel(render(overlay))["image"] == f"lapel:{overlay.name}"


@overlays
def test_every_manifest_is_what_its_kind_allows(overlay: Path):
    validate = pytest.importorskip("kubernetes_validate").validate
    documents = render(overlay)
    for component in COMPONENTS:
        documents += [d for d in render(component) if "metadata" in d]
    assert len(documents) >= 12
    for document in documents:
        validate(document, KUBERNETES_VERSION, strict=True)


def test_a_field_that_does_not_exist_would_be_found():
    validate = pytest.importorskip("kubernetes_validate")
    document = named(render(OVERLAYS[0]), "Deployment", "lapel")
    document["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    with pytest.raises(validate.ValidationError, match="livenessProb"):
        validate.validate(document, KUBERNETES_VERSION, strict=True)


@overlays
def test_probes_ask_routes_that_are_there_at_the_port_that_is_open(overlay: Path):
    container = lapel(render(overlay))
    (port,) = container["ports"]
    exposed = [rest for word, rest in inherited(dockerfile(), overlay.name) if word == "EXPOSE"]
    assert [str(port["containerPort"])] == exposed
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness")}
    probes["readiness"] = container["readinessProbe"]["httpGet"]
    for probe in probes.values():
        assert "get" in ROUTES[probe["path"]]
        assert probe["port"] == port["name"]
    # A store that is away must not have every replica restarted.
    assert (probes["liveness"]["path"], probes["readiness"]["path"]) == ("/healthz", "/readyz")


@overlays
def test_the_service_is_given_settings_that_it_knows(
    overlay: Path, monkeypatch: pytest.MonkeyPatch
):
    documents = render(overlay)
    secret = named(documents, "Secret", "lapel-store")["stringData"]
    given = environment(inherited(dockerfile(), overlay.name))
    for variable in lapel(documents)["env"]:
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        given[variable["name"]] = secret[reference["key"]] if reference else variable["value"]
        assert reference is None or reference["name"] == "lapel-store"
    ours = {name: value for name, value in given.items() if name.startswith("LAPEL_")}
    assert {name.removeprefix("LAPEL_").lower() for name in ours} <= Settings.model_fields.keys()
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    redis = named(documents, "Service", "redis")
    assert f"redis:{redis['spec']['ports'][0]['port']}/0" in str(settings.store)
    grace = pod(documents, "Deployment", "lapel")["spec"]["terminationGracePeriodSeconds"]
    pause = lapel(documents)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert grace > settings.shutdown_wait_s + pause


@overlays
def test_no_container_is_root_or_can_write_outside_its_volumes(overlay: Path):
    documents = render(overlay)
    for kind, name in (("Deployment", "lapel"), ("StatefulSet", "redis")):
        spec = pod(documents, kind, name)["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
    user = pod(documents, "Deployment", "lapel")["spec"]["securityContext"]["runAsUser"]
    users = [rest for word, rest in inherited(dockerfile(), overlay.name) if word == "USER"]
    assert users == [f"{user}:{user}"]


@overlays
def test_every_selector_finds_its_own_pods_and_no_others(overlay: Path):
    documents = render(overlay)
    labels = {
        name: pod(documents, kind, name)["metadata"]["labels"]
        for kind, name in (("Deployment", "lapel"), ("StatefulSet", "redis"))
    }
    for document in documents:
        name, spec = document["metadata"]["name"], document.get("spec", {})
        selectors = []
        if document["kind"] == "Service":
            selectors = [spec["selector"]]
        if document["kind"] in SELECTING:
            selectors = [spec["selector"]["matchLabels"]]
        if document["kind"] == "NetworkPolicy":
            selectors = [spec["podSelector"]["matchLabels"]]
        for selector in selectors:
            found = [key for key, own in labels.items() if selector.items() <= own.items()]
            assert found == [name], document["kind"]


@overlays
def test_the_walls_let_through_what_is_needed_and_nothing_else(overlay: Path):
    documents = render(overlay)
    ours = named(documents, "NetworkPolicy", "lapel")["spec"]
    assert set(ours["policyTypes"]) == {"Ingress", "Egress"}
    assert [rule["ports"] for rule in ours["ingress"]] == [[{"protocol": "TCP", "port": "http"}]]
    out = {port["port"] for rule in ours["egress"] for port in rule["ports"]}
    assert out == {53, named(documents, "Service", "redis")["spec"]["ports"][0]["port"]}
    store = named(documents, "NetworkPolicy", "redis")["spec"]
    assert set(store["policyTypes"]) == {"Ingress", "Egress"}
    assert "egress" not in store
    ((caller,),) = (rule["from"] for rule in store["ingress"])
    assert caller["podSelector"]["matchLabels"] == ours["podSelector"]["matchLabels"]


@overlays
def test_the_autoscaler_owns_the_replicas_and_one_may_always_be_away(overlay: Path):
    documents = render(overlay)
    deployment = named(documents, "Deployment", "lapel")
    assert "replicas" not in deployment["spec"]
    scaler = named(documents, "HorizontalPodAutoscaler", "lapel")["spec"]
    target = scaler["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    assert [metric["resource"]["name"] for metric in scaler["metrics"]] == ["cpu"]
    # A share of the CPU is a share of what is requested; without a request there is no share.
    assert lapel(documents)["resources"]["requests"]["cpu"]
    budget = named(documents, "PodDisruptionBudget", "lapel")["spec"]
    assert 0 < budget["maxUnavailable"] < scaler["minReplicas"]


@overlays
def test_memory_covers_the_cache_and_the_uploads_being_read(overlay: Path):
    resources = lapel(render(overlay))["resources"]
    settings = Settings()
    busy = settings.cache_mib + 2 * settings.bulk_buffer_mib + 4 * settings.max_request_mib
    assert mebibytes(resources["requests"]["memory"]) >= busy
    assert mebibytes(resources["limits"]["memory"]) > mebibytes(resources["requests"]["memory"])
    # Threads follow the limit and whole CPUs alone count; a fraction would only throttle.
    assert cpus(resources["limits"]["cpu"]) == int(cpus(resources["limits"]["cpu"]))
    assert resources["limits"]["cpu"] == resources["requests"]["cpu"]


def test_one_gpu_goes_to_each_replica_of_the_gpu_overlay_alone():
    limits = {path.name: lapel(render(path))["resources"]["limits"] for path in OVERLAYS}
    assert limits["gpu"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in limits["cpu"]
    gpu = render(KUBERNETES / "overlays" / "gpu")
    assert [t["key"] for t in pod(gpu, "Deployment", "lapel")["spec"]["tolerations"]] == [
        "nvidia.com/gpu"
    ]


@overlays
def test_redis_is_the_one_of_the_compose_file(overlay: Path):
    documents = render(overlay)
    (container,) = pod(documents, "StatefulSet", "redis")["spec"]["containers"]
    composed = compose()["services"]["redis"]
    assert container["image"] == composed["image"]
    assert container["args"][-2:] == composed["command"][-2:]
    assert container["args"][1] == "/etc/redis/redis.conf"
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {"/data", "/etc/redis"}
    text = named(documents, "ConfigMap", "redis")["data"]["redis.conf"]
    assert "./deploy/kubernetes/redis/redis.conf" in str(composed["volumes"])
    assert "appendonly yes" in text
    limit = mebibytes(container["resources"]["limits"]["memory"])
    assert limit == 2 * 1024, "twice maxmemory: a rewrite of the file forks"


def test_images_by_url_are_allowed_by_the_component_and_only_from_public_addresses():
    (component,) = COMPONENTS
    (policy,) = (d for d in render(component) if d["kind"] == "NetworkPolicy")
    (rule,) = policy["spec"]["egress"]
    ((to,), ports) = rule["to"], {port["port"] for port in rule["ports"]}
    assert ports == {80, 443}
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(
        to["ipBlock"]["except"]
    )
