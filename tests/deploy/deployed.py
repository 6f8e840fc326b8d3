"""What the files of a deployment say, read the way their own tools read them.

Only as much of each format as our files use; anything else fails loudly.
"""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
COMPOSE = REPOSITORY / "docker-compose.yml"
KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = sorted(path.parent for path in KUBERNETES.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent for path in KUBERNETES.glob("components/*/kustomization.yaml"))

Document = dict[str, Any]


def compose() -> Document:
    """The compose file, with each ${NAME:-default} replaced by its default."""
    text = COMPOSE.read_text(encoding="utf-8")
    read: Document = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return read


def dockerfile() -> dict[str, list[tuple[str, str]]]:
    """Each stage's instructions, its own FROM first."""
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    stages: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            current = stages.setdefault(rest.split()[-1], [])
        current.append((word, " ".join(rest.split())))
    return stages


def inherited(stages: dict[str, list[tuple[str, str]]], name: str) -> list[tuple[str, str]]:
    """A stage's instructions behind those of the stages it builds on."""
    base = stages[name][0][1].split()[0]
    return [*(inherited(stages, base) if base in stages else []), *stages[name]]


def environment(instructions: list[tuple[str, str]]) -> dict[str, str]:
    """What ENV leaves behind."""
    pairs = (pair for word, rest in instructions if word == "ENV" for pair in rest.split())
    return dict(pair.split("=", 1) for pair in pairs)


def render(folder: Path) -> list[Document]:
    """What `kubectl kustomize` makes of a folder, save the hash behind generated names."""
    wanted = _read(folder)
    known = {"apiVersion", "kind", "namespace", "labels", "resources", "components", "patches"}
    assert wanted.keys() <= known | {"images", "configMapGenerator", "secretGenerator"}, folder
    documents = [
        document
        for resource in wanted.get("resources", [])
        for document in _resource((folder / resource).resolve())
    ]
    documents += _generated(wanted, folder)
    patches = _patches(wanted, folder)
    for component in wanted.get("components", []):
        place = (folder / component).resolve()
        documents += render(place)
        patches += _patches(_read(place), place)
    documents = [_patched(document, patches) for document in documents]
    for image in wanted.get("images", []):
        for container in containers(documents):
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
    return documents


def containers(documents: list[Document]) -> Iterator[Document]:
    """Every container of every workload."""
    for document in documents:
        if document["kind"] in ("Deployment", "StatefulSet"):
            yield from document["spec"]["template"]["spec"]["containers"]


def named(documents: list[Document], kind: str, name: str) -> Document:
    """The one document of that kind and name."""
    (found,) = (d for d in documents if (d["kind"], d["metadata"]["name"]) == (kind, name))
    return found


def _read(folder: Path) -> Document:
    read: Document = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return read


def _patches(wanted: Document, folder: Path) -> list[Document]:
    paths = [folder / patch["path"] for patch in wanted.get("patches", [])]
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]


def _resource(path: Path) -> list[Document]:
    if path.is_dir():
        return render(path)
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _generated(wanted: Document, folder: Path) -> list[Document]:
    documents = []
    for generator in wanted.get("configMapGenerator", []):
        data = {name: (folder / name).read_text(encoding="utf-8") for name in generator["files"]}
        documents.append(("ConfigMap", generator["name"], "data", data))
    for generator in wanted.get("secretGenerator", []):
        data = dict(literal.split("=", 1) for literal in generator["literals"])
        documents.append(("Secret", generator["name"], "stringData", data))
    return [
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, field: data}
        for kind, name, field, data in documents
    ]


def _patched(document: Document, patches: list[Document]) -> Document:
    for patch in patches:
        if (patch["kind"], patch["metadata"]["name"]) == (
            document["kind"],
            document["metadata"]["name"],
        ):
            document = merge(document, patch)
    return document


def merge(base: Any, patch: Any) -> Any:
    """A strategic merge: mappings by key, lists of named things by name, all else replaced."""
    if isinstance(base, dict) and isinstance(patch, dict):
        merged = deepcopy(base)
        for key, value in patch.items():
            merged[key] = merge(base[key], value) if key in base else value
        return merged
    if _all_named(base) and _all_named(patch):
        by_name = {item["name"]: item for item in base}
        for item in patch:
            by_name[item["name"]] = merge(by_name.get(item["name"], {}), item)
        return list(by_name.values())
    return patch


def _all_named(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(i, dict) and "name" in i for i in value)
