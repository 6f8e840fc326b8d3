import json
import re
from importlib.resources import files
from typing import Any

import pytest

from service.settings import Settings
from tests.deploy.deployed import COMPOSE, REPOSITORY, compose, dockerfile, environment, inherited

HAPROXY = (REPOSITORY / "deploy/haproxy/haproxy.cfg").read_text(encoding="utf-8")
ROUTES = json.loads((REPOSITORY / "tests/service/openapi.json").read_text(encoding="utf-8"))[
    "paths"
]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return compose()["services"]


def seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)s", text)
    assert found is not None, text
    return int(found[1])


def test_the_file_is_what_the_compose_specification_allows():
    jsonschema = pytest.importorskip("jsonschema")
    schemas = pytest.importorskip("check_jsonschema.builtin_schemas")
    text = files(schemas).joinpath("vendor/compose-spec.json").read_text(encoding="utf-8")
    validator = jsonschema.Draft7Validator(json.loads(text))
    assert [error.message for error in validator.iter_errors(compose())] == []


def test_two_services_run_behind_one_balancer(services: dict[str, Any]):
    assert services["lapel"]["deploy"]["replicas"] == 2
    assert "ports" not in services["lapel"], "two containers cannot have one port of the host"
    assert services["balancer"]["ports"] == ["127.0.0.1:8000:8000"]


def test_the_service_is_given_settings_that_it_knows(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    image = environment(inherited(dockerfile(), "cpu"))
    given = {k: v for k, v in image.items() if k.startswith("LAPEL_")}
    given |= {k: str(v) for k, v in services["lapel"]["environment"].items()}
    assert {name.removeprefix("LAPEL_").lower() for name in given} <= Settings.model_fields.keys()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.host, settings.port) == ("0.0.0.0", 8000)
    assert "redis:6379/0" in str(settings.store)
    assert seconds(services["lapel"]["stop_grace_period"]) > settings.shutdown_wait_s


def test_the_target_is_one_of_the_image(services: dict[str, Any]):
    assert services["lapel"]["build"]["target"] in dockerfile()
    assert set(re.findall(r"target: \$\{TARGET:-(\w+)\}", COMPOSE.read_text())) == {"cpu"}


def test_the_balancer_asks_a_route_that_is_there_on_the_port_that_is_exposed():
    (checked,) = re.findall(r"option httpchk GET (\S+)", HAPROXY)
    assert "get" in ROUTES[checked]
    (server,) = re.findall(r"server-template \w+ \d+ (\S+)", HAPROXY)
    exposed = [rest for word, rest in inherited(dockerfile(), "cpu") if word == "EXPOSE"]
    assert [server] == [f"lapel:{port}" for port in exposed]


def test_the_balancer_has_room_for_more_services_than_are_started(services: dict[str, Any]):
    (places,) = re.findall(r"server-template \w+ (\d+) ", HAPROXY)
    assert int(places) >= 2 * services["lapel"]["deploy"]["replicas"]


def test_no_container_can_write_outside_its_volumes_or_gain_rights(services: dict[str, Any]):
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name


def test_only_the_api_and_the_dashboard_are_reachable_and_from_this_host_alone(
    services: dict[str, Any],
):
    published = {name: s["ports"] for name, s in services.items() if "ports" in s}
    assert published.keys() == {"balancer", "grafana"}
    assert all(p.startswith("127.0.0.1:") for ports in published.values() for p in ports)


def test_everything_mounted_from_the_repository_is_there(services: dict[str, Any]):
    mounted = [v for s in services.values() for v in s.get("volumes", ()) if v.startswith("./")]
    assert len(mounted) == 5
    for volume in mounted:
        source, _, mode = volume.split(":")
        assert (REPOSITORY / source).exists(), source
        assert mode == "ro", volume


def test_every_named_volume_is_declared(services: dict[str, Any]):
    volumes = [v for s in services.values() for v in s.get("volumes", ()) if v[0] not in "./"]
    assert {volume.split(":")[0] for volume in volumes} == compose()["volumes"].keys()


def test_redis_may_fork_without_running_into_its_limit(services: dict[str, Any]):
    command = services["redis"]["command"]
    assert command[command.index("--maxmemory") + 1] == "1gb"
    assert services["redis"]["mem_limit"] == "2g"
