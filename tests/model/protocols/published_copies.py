"""Tiny copies of the published data sets in their exact layout, with drawn garments as pictures."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

from model.drawings import VALUES, Design, draw, random_design
from model.protocols.retrieval_lists import ATTRIBUTES
from model.protocols.tasks import Protocol

PLACES = {
    Protocol.FASHIONAI: "fashionAI_attributes_train{part}/Images/{attribute}_labels/{name}.jpg",
    Protocol.DARN: "pic/{name}.jpg",
    Protocol.DEEPFASHION: "img/Drawn_{attribute}/img_{name}.jpg",
}
"""How each set's lists call their pictures."""
DRAWN = {
    "skirt_length": "skirt_length",
    "sleeve_length": "sleeve_length",
    "coat_length": "coat_length",
    "pant_length": "pant_length",
    "collar_design": "collar",
    "neckline_design": "neckline",
    "clothes_category": "garment_type",
    "clothes_button": "closure",
    "clothes_color": "color",
    "clothes_pattern": "pattern",
    "collar_shape": "collar",
    "texture_related": "pattern",
    "shape_related": "garment_type",
    "part_related": "collar",
}
"""What of a drawing answers to a published attribute; the others are never annotated."""
SIZES = {"train": 14, "valid": 8, "test": 20}


def write_lists(protocol: Protocol, folder: Path) -> Path:
    """filenames_*, label_train, query_* and candidate_* beside the pictures."""
    names = ATTRIBUTES[protocol]
    for seed, (split, count) in enumerate(SIZES.items()):
        files, rows = [], []
        for number, design in enumerate(_designs(seed, count)):
            row = list(_annotations(design, names))
            attribute = names[row[0][0]]
            name = f"{seed}{number:07d}"
            place = PLACES[protocol].format(part=1 + number % 2, attribute=attribute, name=name)
            files.append(place)
            rows.append(row)
            _draw(folder / place, design, (seed, number))
        if protocol is Protocol.DEEPFASHION:  # the one set with several values of an attribute
            first = rows[0][0]
            rows[0].append((first[0], first[1] + 1))
        _write(folder / f"filenames_{split}.txt", files)
        if split == "train":
            _write(
                folder / "label_train.txt",
                [" ".join(map(str, (n, *np.ravel(row)))) for n, row in enumerate(rows)],
            )
            continue
        queries, candidates = _lists(rows)
        _write(folder / f"query_{split}.txt", queries)
        _write(folder / f"candidate_{split}.txt", candidates, end="")  # as an editor leaves it
    return folder


def write_meta(folder: Path, data_set: str, names: Sequence[str]) -> None:
    """meta.json, as the split archive has it beside the data sets."""
    meta = {data_set: {"ATTRIBUTES": list(names), "ATTRIBUTES_NUM": dict.fromkeys(names, 5)}}
    (folder / "meta.json").write_text(json.dumps(meta))


def write_zappos(folder: Path) -> Path:
    """filenames.json, tripletlists and ut-zap50k-images; garments stand in for shoes."""
    designs = list(_designs(9, 12))
    names = []
    for number, design in enumerate(designs):
        names.append(f"Shoes/Sneakers and Athletic Shoes/Brand {number % 3}/{7000 + number}.jpg")
        _draw(folder / "ut-zap50k-images" / names[-1], design, (9, number))
    _write(folder / "filenames.json", names)
    rng = np.random.default_rng(9)
    for condition in ("class", "closure", "gender", "heel"):
        for split, count in (("train", 9), ("val", 5), ("test", 7)):
            triplets = (rng.permutation(len(names) - 1)[:3] for _ in range(count))
            _write(
                folder / "tripletlists" / f"{condition}_tripletlist_{split}.txt",
                [" ".join(map(str, triplet)) for triplet in triplets],
            )
    return folder


def write_stanford(folder: Path) -> Path:
    """images/000001.jpg and on, labels/*_GT.mat with NaN where nothing is labelled."""
    designs = list(_designs(5, 10))
    for number, design in enumerate(designs):
        _draw(folder / "images" / f"{number + 1:06d}.jpg", design, (5, number))
    (folder / "labels").mkdir()
    columns = {
        "collar": [2.0 if d.collar not in ("none", "na") else 1.0 for d in designs],
        "sleevelength": [
            np.nan
            if d.sleeve_length == "na"
            else 1.0 + VALUES["sleeve_length"].index(d.sleeve_length)
            for d in designs
        ],
        "scarf": [np.nan, *[1.0] * (len(designs) - 1)],
    }
    for name, column in columns.items():
        savemat(folder / "labels" / f"{name}_GT.mat", {"GT": np.array(column)[:, None]})
    return folder


def _designs(seed: int, count: int) -> Iterator[Design]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield random_design(rng)


def _annotations(design: Design, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of attribute and value number of all that the drawing shows."""
    for number, name in enumerate(names):
        if name in DRAWN and getattr(design, DRAWN[name]) != "na":
            drawn = DRAWN[name]
            yield number, VALUES[drawn].index(getattr(design, drawn))


def _lists(rows: Sequence[Sequence[tuple[int, int]]]) -> tuple[list[str], list[str]]:
    """Of each attribute every fourth annotation is a query, the others are candidates."""
    lists: tuple[list[str], list[str]] = ([], [])
    seen: Counter[int] = Counter()
    for picture, row in enumerate(rows):
        for attribute, value in row:
            lists[seen[attribute] % 4 > 0].append(f"{picture} {attribute} {value}")
            seen[attribute] += 1
    return lists


def _draw(file: Path, design: Design, seed: tuple[int, int]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draw(design, size=64, rng=np.random.default_rng(seed)).save(file, quality=88)


def _write(path: Path, lines: Sequence[str], end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + end)
