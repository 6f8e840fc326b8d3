from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api_schemas.card import AttributeCard, Quality, SameValueCalibration
from model.encoder import Encoder
from model.evaluate import (
    EmbeddedTable,
    cross_group_pairs,
    embed_table,
    evaluate,
    same_value_reliability,
    value_reliability,
)
from model.labels import LabelTable, read_labels
from model.pixels import UndecodableImage, decode

COLLAR = AttributeCard(
    name="collar",
    values=("polo", "shirt"),
    prototypes=((1.0, 0.0), (0.0, 1.0)),
    scale=20.0,
    same_value=SameValueCalibration(slope=40.0, intercept=-20.0, pairs=1, fitted_on="valid"),
)


def table_of(cells: list[str], photographers: list[int]) -> LabelTable:
    return LabelTable(
        files=tuple(Path(str(i)) for i in range(len(cells))),
        splits=("test",) * len(cells),
        groups=np.array(photographers),
        cells={"collar": tuple(cells)},
    )


def embedded(cells: list[str], photographers: list[int], read_as: list[str]) -> EmbeddedTable:
    """Every garment sits on the prototype of the value it is read as."""
    rows = [COLLAR.values.index(value) for value in read_as]
    return EmbeddedTable(
        table=table_of(cells, photographers),
        vectors=np.eye(2, dtype=np.float32)[rows][:, None],
        visible=np.array([[0.9 if cell != "na" else 0.1] for cell in cells], np.float32),
        global_vectors=np.ones((len(cells), 3), np.float32),
    )


def test_a_model_that_reads_every_value_right_scores_one() -> None:
    cells = ["polo", "shirt", "polo", "shirt", "na"]
    quality = evaluate(embedded(cells, [1, 2, 3, 4, 5], [*cells[:4], "polo"]), (COLLAR,), "test")
    collar = quality.attributes["collar"]
    assert collar.retrieval.map_other_photographers == 1.0
    assert (collar.value_accuracy, collar.value_balanced_accuracy) == (1.0, 1.0)
    assert collar.same_value_calibration_error < 1e-6
    assert (collar.visible_accuracy, collar.visible_roc_auc) == (1.0, 1.0)
    assert collar.retrieval_global_embedding.map_other_photographers < 1.0
    assert collar.queries == 4


def test_a_hit_by_the_querys_own_photographer_does_not_count() -> None:
    cells, photographers = ["polo", "polo", "shirt", "polo"], [1, 1, 2, 3]
    collar = evaluate(
        embedded(cells, photographers, ["polo", "polo", "polo", "shirt"]), (COLLAR,), "test"
    ).attributes["collar"]
    # Garment 0: others' candidates are 2 (alike, wrong) and 3 (unlike, right): AP 1/2, and so for
    # garment 1; garment 3 sees 2, 0 and 1 all as unlike, in table order: AP (1 + 2/2) / 2 = 1.
    assert collar.retrieval.map_other_photographers == pytest.approx((0.5 + 0.5 + 1.0) / 3)
    assert collar.queries_without_relevant == 1


def test_values_the_model_never_learnt_are_still_retrieved() -> None:
    cells = ["shawl", "polo", "shawl", "polo"]
    collar = evaluate(
        embedded(cells, [1, 2, 3, 4], ["shirt", "polo", "shirt", "polo"]), (COLLAR,), "test"
    ).attributes["collar"]
    assert (collar.queries, collar.retrieval.map_other_photographers) == (4, 1.0)
    assert collar.value_accuracy == 1.0  # of the garments whose value it can name


def test_overall_map_is_given_over_attributes_and_over_queries() -> None:
    one = embedded(["polo", "shirt", "polo", "shirt"], [1, 2, 3, 4], ["polo", "polo"] * 2)
    two = EmbeddedTable(
        table=LabelTable(
            files=one.table.files,
            splits=one.table.splits,
            groups=one.table.groups,
            cells={"collar": one.table.cells["collar"], "cuff": ("polo", "polo", "na", "na")},
        ),
        vectors=np.repeat(one.vectors, 2, axis=1),
        visible=np.repeat(one.visible, 2, axis=1),
        global_vectors=one.global_vectors,
    )
    quality = evaluate(two, (COLLAR, COLLAR.model_copy(update={"name": "cuff"})), "test")
    collar, cuff = (quality.attributes[name] for name in ("collar", "cuff"))
    maps = [a.retrieval.map_other_photographers for a in (collar, cuff)]
    assert [collar.queries, cuff.queries] == [4, 2]
    assert quality.mean_map_other_photographers == pytest.approx(sum(maps) / 2)
    assert quality.weighted_map_other_photographers == pytest.approx(
        (4 * maps[0] + 2 * maps[1]) / 6
    )


def test_hits_by_the_querys_own_photographer_are_counted_against_chance() -> None:
    # Every photographer's garments lie on one prototype, whatever they are.
    cells, photographers = ["polo", "shirt"] * 10, [row // 10 for row in range(20)]
    read_as = ["polo"] * 10 + ["shirt"] * 10
    quality = evaluate(embedded(cells, photographers, read_as), (COLLAR,), "test")
    share = quality.attributes["collar"].same_photographer
    assert share is not None
    assert (share.found, share.by_chance) == (1.0, pytest.approx(9 / 19))
    assert share.in_perfect_order == pytest.approx(4 / 9)  # of a value's 9 others, 4 by oneself
    assert share.times_chance == quality.mean_same_photographer_times_chance
    assert share.times_chance == pytest.approx(19 / 9)


def test_reliability_counts_named_garments_and_pairs_of_photographers() -> None:
    seen = embedded(["polo", "shirt", "na", "polo"], [1, 2, 3, 3], ["polo", "polo", "polo", "polo"])
    (named,) = value_reliability(seen, 0, COLLAR)
    assert (named.count, named.share_right) == (3, pytest.approx(2 / 3))
    assert named.mean_probability == pytest.approx(1.0)
    (pairs,) = same_value_reliability(seen, 0, COLLAR)
    assert (pairs.count, pairs.share_right) == (3, pytest.approx(1 / 3))
    quality = evaluate(seen, (COLLAR,), "test").attributes["collar"]
    assert quality.value_calibration_error == pytest.approx(1 / 3, abs=1e-6)
    assert quality.same_value_calibration_error == pytest.approx(2 / 3, abs=1e-6)


def test_quality_written_before_the_later_figures_still_reads() -> None:
    quality = evaluate(embedded(["polo", "na"], [1, 2], ["polo", "polo"]), (COLLAR,), "test")
    document = quality.model_dump()
    del document["mean_same_photographer_times_chance"]
    for figures in document["attributes"].values():
        del figures["visible_roc_auc"], figures["same_photographer"]
    old = Quality.model_validate(document)
    assert old.attributes["collar"].visible_roc_auc is None
    assert old.attributes["collar"].same_photographer is None
    assert old.images == quality.images


def test_pairs_are_labelled_and_by_different_photographers() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.integers(-1, 3, 30), rng.integers(0, 4, 30)
    slow = [
        (i, j)
        for i in range(30)
        for j in range(i + 1, 30)
        if values[i] >= 0 and values[j] >= 0 and groups[i] != groups[j]
    ]
    left, right = cross_group_pairs(values, groups)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == slow


def test_a_table_without_the_models_attributes_is_refused() -> None:
    other = COLLAR.model_copy(update={"name": "hem"})
    with pytest.raises(ValueError, match=r"hem.*collar"):
        evaluate(embedded(["polo"], [1], ["polo"]), (other,), "test")


def test_a_table_is_embedded_by_the_encoder_that_serves(encoder: Encoder, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "labels.csv").write_text(
        "file,collar\n" + "".join(f"{i}.png,polo\n" for i in range(5))
    )
    for i in range(5):
        Image.fromarray(rng.integers(0, 255, (60, 50, 3), dtype=np.uint8)).save(
            tmp_path / f"{i}.png"
        )
    seen = []
    table = read_labels(tmp_path / "labels.csv")
    result = embed_table(encoder, table, batch_size=2, progress=seen.append)
    assert seen == [2, 2, 1]
    for row, file in enumerate(table.files):
        pixels = decode(file.read_bytes(), encoder.card.preprocessing)
        alone = encoder.encode(pixels[None])[0]
        np.testing.assert_allclose(result.vectors[row], alone.vectors, atol=1e-5)
        np.testing.assert_allclose(result.global_vectors[row], alone.global_vector, atol=1e-5)


def test_files_can_be_read_in_another_way(encoder: Encoder) -> None:
    shades = {"0": 40, "1": 200}
    side = encoder.card.preprocessing.input_size

    def shaded(file: Path) -> np.ndarray:
        return np.full((side, side, 3), shades[file.name], np.uint8)

    result = embed_table(encoder, table_of(["polo", "shirt"], [1, 2]), read=shaded)
    alone = encoder.encode(shaded(Path("1"))[None])
    np.testing.assert_allclose(result.vectors[1], alone.vectors[0], atol=1e-5)


def test_an_unreadable_photograph_of_a_table_is_named(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,collar\nbroken.jpg,polo\n")
    (tmp_path / "broken.jpg").write_bytes(b"not a photograph")
    with pytest.raises(UndecodableImage, match=r"broken\.jpg"):
        embed_table(encoder, read_labels(tmp_path / "labels.csv"))
