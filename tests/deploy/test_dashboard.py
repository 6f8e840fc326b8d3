"""The dashboard and the alerts ask for figures that the service really gives."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.deployed import DEPLOY, compose

promql = pytest.importorskip("promql_parser")

DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/lapel.json").read_text(encoding="utf-8"))
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
PROVISIONING = DEPLOY / "grafana/provisioning"
RULES = [
    rule
    for file in PROMETHEUS["rule_files"]
    for group in yaml.safe_load((DEPLOY / "prometheus" / file).read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
PROMETHEUS_OWN = {"up": {"job", "instance"}}
ADDED_BY_SCRAPING = {"job", "instance"}


def queries() -> dict[str, str]:
    """Every query by where it stands, Grafana's variables filled in."""
    panels = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    }
    filled = {
        place: text.replace("$__rate_interval", "1m").replace("$instance", ".*")
        for place, text in panels.items()
    }
    return filled | {rule["alert"]: rule["expr"] for rule in RULES}


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of series in a parsed query."""
    if isinstance(node, promql.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "vector_selector", "args", "param"):
        inner = getattr(node, name, None)
        for part in inner if isinstance(inner, list) else [inner]:
            if part is not None:
                yield from selectors(part)


@pytest.fixture
async def given(client: httpx.AsyncClient, photo) -> dict[str, set[str]]:
    """The labels of every series that the service shows, once it has done something."""
    await client.put("/v1/garments/one", files={"image": photo(1)})
    text = (await client.get("/metrics")).text
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


async def test_every_query_names_series_and_labels_that_are_there(given: dict[str, set[str]]):
    known = {name: labels | ADDED_BY_SCRAPING for name, labels in given.items()} | PROMETHEUS_OWN
    asked = set()
    for place, text in queries().items():
        for selector in selectors(promql.parse(text)):
            assert selector.name in known, place
            asked.add(selector.name)
            for matcher in selector.matchers.matchers:
                assert matcher.name in known[selector.name], (place, matcher.name)
        for labels in re.findall(r"by \(([^)]*)\)", text):
            names = {label.strip() for label in labels.split(",")}
            assert names <= set().union(*known.values()), place
    assert {"lapel_requests_total", "lapel_queue_images", "lapel_stale_garments"} <= asked


async def test_every_figure_of_the_service_is_shown_or_watched(given: dict[str, set[str]]):
    """A figure nobody looks at is one that nobody keeps right."""
    text = " ".join(queries().values())
    ours = {name for name in given if name.startswith("lapel_") and not name.endswith("_created")}
    families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in ours}
    assert {name for name in families if name not in text} <= {"lapel_cache_entries"}


def test_panels_lie_beside_each_other_and_have_a_legend_for_their_labels():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert label == "instance" or label in target["expr"], panel["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_dashboard_is_provisioned_with_the_source_it_asks():
    (source,) = yaml.safe_load((PROVISIONING / "datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    asked = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]}
    assert asked == {source["uid"]}
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/lapel.yml").read_text())["providers"]
    grafana = compose()["services"]["grafana"]
    folders = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert folders["./deploy/grafana/dashboards"] == provider["options"]["path"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/lapel.json"


def test_prometheus_scrapes_the_port_that_the_service_listens_on():
    (job,) = PROMETHEUS["scrape_configs"]
    (discovery,) = job["dns_sd_configs"]
    assert (job["job_name"], discovery["names"], discovery["port"]) == ("lapel", ["lapel"], 8000)


def test_every_alert_says_what_is_wrong_and_waits_for_it_to_last():
    for rule in RULES:
        assert rule["annotations"]["summary"], rule["alert"]
        assert rule["labels"]["severity"] in ("page", "warn"), rule["alert"]
        assert re.fullmatch(r"\d+[mh]", rule["for"]), rule["alert"]
