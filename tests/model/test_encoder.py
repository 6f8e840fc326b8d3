import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from api_schemas.card import CARD_KEY, AttributeCard, ModelCard
from model.encoder import (
    SHIPPED_MODEL,
    Embeddings,
    Encoder,
    ModelFileError,
    available_cpus,
)
from model.pixels import normalise


@pytest.fixture(scope="module")
def shipped():
    return Encoder.load(SHIPPED_MODEL, threads=1)


def noise(encoder, count, seed=0):
    side = encoder.card.preprocessing.input_size
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_shapes_follow_the_card(shipped):
    embeddings = shipped.encode(noise(shipped, 3))
    attributes, dimension = shipped.card.spaces_count, shipped.card.embedding_dimension
    assert len(embeddings) == 3
    assert embeddings.vectors.shape == (3, attributes, dimension)
    assert embeddings.norms.shape == embeddings.visible.shape == (3, attributes)
    assert embeddings.attention.shape[:2] == (3, attributes)
    assert embeddings.global_vector.shape[0] == 3


def test_vectors_are_unit_maps_sum_to_one_and_visibility_is_a_probability(shipped):
    embeddings = shipped.encode(noise(shipped, 4))
    np.testing.assert_allclose(np.linalg.norm(embeddings.vectors, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings.global_vector, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(embeddings.attention.sum(axis=(-2, -1)), 1, atol=1e-5)
    assert (embeddings.norms > 0).all()
    assert ((embeddings.visible >= 0) & (embeddings.visible <= 1)).all()


def test_a_row_does_not_depend_on_its_company(shipped):
    images = noise(shipped, 5)
    together = shipped.encode(images)
    for row, image in enumerate(images):
        alone = shipped.encode(image[None])
        np.testing.assert_allclose(together.vectors[row], alone.vectors[0], atol=1e-5)
        np.testing.assert_allclose(together.visible[row], alone.visible[0], atol=1e-5)


def test_threads_may_share_an_encoder(shipped):
    batches = [noise(shipped, 1, seed) for seed in range(6)]
    alone = [shipped.encode(batch).vectors for batch in batches]
    with ThreadPoolExecutor(3) as threads:
        shared = [embeddings.vectors for embeddings in threads.map(shipped.encode, batches)]
    np.testing.assert_allclose(shared, alone, atol=1e-6)


def test_the_fingerprint_names_the_bytes_of_the_file(shipped):
    assert shipped.fingerprint == hashlib.sha256(SHIPPED_MODEL.read_bytes()).hexdigest()[:16]


def test_a_row_owns_its_numbers_and_nobody_can_change_them():
    one = np.arange(6, dtype=np.float32).reshape(2, 3)
    row = Embeddings(one[:, :, None], one, one, one[:, :, None, None], one)[1]
    one[:] = -1
    assert row.norms.tolist() == [3, 4, 5]
    assert row.vectors.base is None
    assert row.nbytes == 5 * 3 * 4
    with pytest.raises(ValueError, match="read-only"):
        row.norms[0] = 0


@pytest.mark.parametrize("wrong", ["too small", "no images", "float", "one image"])
def test_pixels_of_another_shape_or_type_are_refused(shipped, wrong):
    images = noise(shipped, 1)
    bad = {
        "too small": images[:, 1:],
        "no images": images[:0],
        "float": images.astype(np.float32),
        "one image": images[0],
    }[wrong]
    with pytest.raises(ValueError, match="pixels must be"):
        shipped.encode(bad)


def test_threads_are_the_cpus_we_may_use_unless_given(shipped):
    assert shipped.threads == 1
    assert Encoder.load(SHIPPED_MODEL).threads == available_cpus()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "not a usable ONNX file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not a usable ONNX file"),
    ],
    ids=["missing", "empty", "pointer"],
)
def test_a_file_that_is_no_model_is_named(tmp_path, content, message):
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as refused:
        Encoder.load(path)
    assert "m.onnx" in str(refused.value)


def test_a_provider_that_is_not_there_is_refused_rather_than_replaced():
    with pytest.raises(ModelFileError, match="TeapotProvider is not in this ONNX Runtime"):
        Encoder.load(SHIPPED_MODEL, providers=("TeapotProvider", "CPUExecutionProvider"))


# A model small enough to work out by hand: the mean colour of the image, through one matrix.

SIDE, VALUES = 8, ("plain", "striped")


def small_card(**changes):
    def attribute(name):
        return AttributeCard(
            name=name,
            values=VALUES,
            prototypes=((1, 0), (0, 1)),
            scale=10,
            same_value={"slope": 8, "intercept": -4, "pairs": 0, "fitted_on": "none"},
        )

    return ModelCard(
        **{
            "name": "small",
            "version": "1",
            "licence": "none",
            "design": "mean colour",
            "backbone": "none",
            "embedding_dimension": 2,
            "preprocessing": {
                "input_size": SIDE,
                "fit": "pad",
                "mean": (0.5, 0.25, 0.0),
                "std": (0.5, 0.25, 1.0),
            },
            "attributes": (attribute("collar"), attribute("pattern")),
            "provenance": {
                "data": "none",
                "data_licence": "none",
                "training_images": 0,
                "pretrained": "none",
            },
            **changes,
        }
    )


MATRIX = np.array([[1, -2, 0.5, 3], [0, 1, 1, -1], [2, 0.5, -1, 1]], np.float32)


def small_model(path, card, *, batch="B", drop_output=None):
    """Write a graph of two attributes in two dimensions, with `card` (text or card) inside."""
    onnx = pytest.importorskip("onnx")
    node, helper = onnx.helper.make_node, onnx.helper
    numbers = {
        "matrix": MATRIX,
        "rows": np.array([-1, 2, 2], np.int64),
        "space": np.array([2, 3], np.int64),
        "last": np.array([-1], np.int64),
        "area": np.array(SIDE * SIDE * 3, np.float32),
        "zero": np.array(0, np.float32),
        "map": np.array([-1, 2, 1, 1], np.int64),
    }
    nodes = [
        node("ReduceMean", ["images", "space"], ["colour"], keepdims=0),  # (B, 3)
        node("MatMul", ["colour", "matrix"], ["flat"]),  # (B, 4)
        node("Reshape", ["flat", "rows"], ["raw"]),  # (B, 2, 2)
        node("ReduceL2", ["raw", "last"], ["kept"], keepdims=1),
        node("Div", ["raw", "kept"], ["vectors"]),
        node("ReduceL2", ["raw", "last"], ["norms"], keepdims=0),
        node("Sigmoid", ["norms"], ["visible"]),
        node("Reshape", ["norms", "map"], ["maps"]),
        node("Div", ["maps", "maps"], ["attention"]),  # one position, all of it
        node("LpNormalization", ["colour"], ["global"], axis=-1, p=2),
    ]
    shapes = {
        "vectors": [batch, 2, 2],
        "norms": [batch, 2],
        "visible": [batch, 2],
        "attention": [batch, 2, 1, 1],
        "global": [batch, 3],
    }
    shapes.pop(drop_output, None)
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", float32, [batch, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(name, float32, shape) for name, shape in shapes.items()],
        [onnx.numpy_helper.from_array(array, name) for name, array in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if card is not None:
        text = card if isinstance(card, str) else card.model_dump_json()
        helper.set_model_props(model, {CARD_KEY: text})
    path.write_bytes(model.SerializeToString())
    return path


def test_pixels_are_normalised_by_the_card_before_the_network_sees_them(tmp_path):
    encoder = Encoder.load(small_model(tmp_path / "m.onnx", small_card()), threads=1)
    images = noise(encoder, 3)
    embeddings = encoder.encode(images)

    inputs = normalise(images, encoder.card.preprocessing)
    for row in range(3):
        raw = (inputs[row].mean(axis=(1, 2)) @ MATRIX).reshape(2, 2)
        norms = np.sqrt((raw**2).sum(axis=1))
        np.testing.assert_allclose(embeddings[row].norms, norms, rtol=1e-4)
        np.testing.assert_allclose(embeddings[row].vectors, raw / norms[:, None], atol=1e-4)
        np.testing.assert_allclose(embeddings[row].visible, 1 / (1 + np.exp(-norms)), atol=1e-5)


def three_dimensional_prototypes():
    card = small_card()
    wrong = card.attributes[0].model_copy(update={"prototypes": ((1, 0, 0), (0, 1, 0))})
    return card.model_copy(update={"attributes": (wrong, card.attributes[1])})


@pytest.mark.parametrize(
    ("card", "graph", "message"),
    [
        (None, {}, "has no model card"),
        ("{}", {}, "not valid"),
        ("not json", {}, "not valid"),
        (small_card(embedding_dimension=3), {}, r"'vectors' is .* \(2, 3\)"),
        (small_card(attributes=small_card().attributes[:1]), {}, r"'vectors' is .* \(1, 2\)"),
        (
            small_card(
                preprocessing={"input_size": 9, "fit": "pad", "mean": (0,) * 3, "std": (1,) * 3}
            ),
            {},
            r"'images' is .* \(3, 9, 9\)",
        ),
        (small_card(), {"batch": 1}, "free batch"),
        (small_card(), {"drop_output": "visible"}, "has no 'visible'; it has vectors, norms"),
        (three_dimensional_prototypes(), {}, "prototype of 'collar'"),
    ],
    ids=[
        "no card",
        "empty card",
        "broken card",
        "dimension",
        "attributes",
        "input size",
        "fixed batch",
        "missing output",
        "prototypes",
    ],
)
def test_a_file_at_odds_with_its_card_is_refused(tmp_path, card, graph, message):
    path = small_model(tmp_path / "m.onnx", card, **graph)
    with pytest.raises(ModelFileError, match=message):
        Encoder.load(path)


# A container's quota, as the kernel shows it.


def kernel(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 64),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
        ({"sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu.max": "10000 100000\n"}, 1),
        (
            {
                "proc/self/cgroup": "0::/shop/lapel\n",
                "sys/fs/cgroup/shop/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/shop/lapel/cpu.max": "max 100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/docker/1\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us": "50000\n",
            },
            5,
        ),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            64,
        ),
    ],
    ids=[
        "no cgroup",
        "no limit",
        "v2",
        "half a cpu over",
        "a tenth",
        "v2 set above us",
        "v1",
        "v1 no limit",
    ],
)
def test_cpus_are_the_quota_where_it_is_below_the_affinity(tmp_path, monkeypatch, files, cpus):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert available_cpus(kernel(tmp_path, files)) == cpus


def test_cpus_are_the_affinity_where_it_is_below_the_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3}, raising=False)
    root = kernel(tmp_path, {"sys/fs/cgroup/cpu.max": "800000 100000"})
    assert available_cpus(root) == 2
