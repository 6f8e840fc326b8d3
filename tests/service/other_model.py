"""The shipped model with its vectors turned end to end: alike in all it says, in another space.

Within the space, similarities are the shipped model's; between the two they mean nothing. So a
garment found by its own picture scores 1 exactly if question and answer are of one model.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from api_schemas.card import CARD_KEY
from model.encoder import SHIPPED_MODEL


def write_other_model(path: Path, version: str = "turned") -> Path:
    """Write it."""
    model = onnx.load(SHIPPED_MODEL)
    graph = model.graph
    card = json.loads(next(p.value for p in model.metadata_props if p.key == CARD_KEY))
    card["version"] = version
    for attribute in card["attributes"]:
        attribute["prototypes"] = [row[::-1] for row in attribute["prototypes"]]
    del model.metadata_props[:]
    helper.set_model_props(model, {CARD_KEY: json.dumps(card)})
    for node in graph.node:
        node.output[:] = ["straight" if name == "vectors" else name for name in node.output]
        node.input[:] = ["straight" if name == "vectors" else name for name in node.input]
    backwards = np.arange(card["embedding_dimension"])[::-1].astype(np.int64)
    graph.initializer.append(numpy_helper.from_array(backwards, "backwards"))
    graph.node.append(helper.make_node("Gather", ["straight", "backwards"], ["vectors"], axis=2))
    onnx.save(model, path)
    return path
