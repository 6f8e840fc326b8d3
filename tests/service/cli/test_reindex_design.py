"""An old store under a model that has one space more, `design`."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from api_schemas.card import CARD_KEY, DesignSpace  # noqa: E402
from model.copies import copy_evidence  # noqa: E402
from model.encoder import SHIPPED_MODEL, Encoder  # noqa: E402
from service.batcher import Batcher  # noqa: E402
from service.cache import LruCache  # noqa: E402
from service.cli.opening import open_workplace, settings_with  # noqa: E402
from service.embedder import Embedder  # noqa: E402

BY_SPACE = ("vectors", "norms", "visible", "attention")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The shipped model's attributes alone, and the same with a further row."""
    folder = tmp_path_factory.mktemp("models")
    older, newer = folder / "older.onnx", folder / "newer.onnx"
    with_rows(older, further=False)
    with_rows(newer, further=True)
    return older, newer


def with_rows(path: Path, *, further: bool) -> None:
    """Write the shipped model with its attributes' rows, and if asked the first of them again."""
    graph = onnx.load(SHIPPED_MODEL)
    card = Encoder.load(SHIPPED_MODEL).card
    count = len(card.attributes)
    rows = np.array([*range(count), *([0] if further else [])], np.int64)
    graph.graph.initializer.append(onnx.numpy_helper.from_array(rows, "rows_wanted"))
    for output in graph.graph.output:
        if output.name not in BY_SPACE:
            continue
        inner = f"{output.name}_before"
        for node in graph.graph.node:
            for names in (node.input, node.output):
                names[:] = [inner if name == output.name else name for name in names]
        graph.graph.node.append(
            onnx.helper.make_node("Gather", [inner, "rows_wanted"], [output.name], axis=1)
        )
        output.type.tensor_type.shape.dim[1].dim_value = len(rows)
    design = DesignSpace(
        slope=9.0,
        intercept=-5.0,
        direction_slope=4.0,
        direction_margin=0.1,
        threshold=0.5,
        false_accusation_rate=0.01,
        false_accusation_rate_any_pair=0.001,
        detection_rate=0.9,
        wrong_direction_rate=0.1,
        compared_with=9,
        pairs=9,
        fitted_on="valid",
    )
    card = card.model_copy(update={"design_space": design if further else None})
    onnx.helper.set_model_props(graph, {CARD_KEY: card.model_dump_json()})
    onnx.save(graph, path)


def test_garments_of_a_model_with_fewer_spaces_wait_for_reindexing_and_get_the_new_one(
    run, pictures, models, tmp_path
):
    older, newer = models
    store = tmp_path / "store"
    done = run("index", pictures[0].parent, "--store", store, "--model", older)
    assert done.code == 0, done.err
    with open_workplace(settings_with(store=store, model_path=newer)) as workplace:
        catalog = workplace.services.catalog
        assert workplace.run(catalog.stale()) == len(pictures)
        (record, *_) = workplace.run(catalog.list("default", None, 1))
        assert record.stale
    done = run("reindex", "--store", store, "--model", newer)
    assert done.code == 0, done.out + done.err
    with open_workplace(settings_with(store=store, model_path=newer)) as workplace:
        services = workplace.services
        assert workplace.run(services.catalog.stale()) == 0
        count = services.card.spaces_count
        for record in workplace.run(services.catalog.list("default", None, len(pictures))):
            assert record.vectors.shape == (count, services.card.embedding_dimension)
            assert record.norms.shape == record.visible.shape == (count,)
            np.testing.assert_array_equal(record.vectors[-1], record.vectors[0])
    found = run("search", pictures[0], "--store", store, "--model", newer)
    assert found.code == 0, found.err


def test_a_file_without_the_space_still_loads_and_answers(run, pictures, models):
    done = run("compare", pictures[0], pictures[1], "--model", models[0])
    assert done.code == 0, done.err
    card = Encoder.load(models[0]).card
    assert card.design_space is None


async def test_models_of_another_number_of_spaces_share_a_cache_without_meeting(models, photo):
    cache, shapes = LruCache(2**20), []
    for path in (*models, *models):
        encoder = Encoder.load(path, threads=1)

        def encode(pixels, encoder=encoder):
            return encoder.encode(np.stack(pixels))

        async with (
            Batcher(encode=encode, max_batch=1, wait_ms=0, queue_size=4) as batcher,
            Embedder(encoder, batcher, cache, decode_threads=1) as embedder,
        ):
            embedding = await embedder.embed(photo(1))
        shapes.append((len(embedding.vectors), encoder.card.spaces_count))
        assert (copy_evidence(embedding, embedding, encoder.card) is None) == (path == models[0])
    assert all(rows == spaces for rows, spaces in shapes)
    assert shapes[0][0] + 1 == shapes[1][0]
    assert cache.stats.hits == 2
