"""A trained network to one `.onnx` file: weights, card, calibration, measured quality.

Calibration is fitted with the exported file itself, through the encoder that serves, so what is
calibrated is what runs: on the validation split, and on its photographs changed as photographs
differ (turned, cropped, dark, on another ground), since what is uploaded is seldom as near to the
training photographs as the validation split is (Tomani et al., CVPR 2021). The file appears under
its name only when it is whole and its answers have been compared with PyTorch's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from api_schemas.card import (
    CARD_KEY,
    AttributeCard,
    DesignSpace,
    ModelCard,
    Provenance,
    SameValueCalibration,
)
from model.encoder import Encoder
from model.evaluate import EmbeddedTable, Progress, embed_table, evaluate, labelled_pairs
from model.labels import LabelTable
from model.pixels import normalise
from model.robustness import CHANGES, Changed
from model.training.asen import INITIAL_SCALE, ValueHead
from model.training.design_calibration import COPIES, copied_split, fit_design_space
from model.training.design_space import DesignHead, Taps
from model.training.designs.registry import design_named
from model.training.evidence_fit import fit_evidence, pictures_embedded
from model.training.runs import Run

PARITY_TOLERANCE: Final = 1e-4  # largest difference allowed between the two unit vectors
PROTOTYPE_PULL: Final = 1.0  # weight of (1 - cosine to the value's mean); see docs/model.md
VALUE_PULL: Final = 1.0  # length of the step from a vector towards its values' prototypes
CHANGED_AT_MOST: Final = 500  # photographs of valid that are changed, so that export stays quick
CALIBRATED_UNDER: Final = (
    "rotation by 15 degrees",
    "centre crop to 80 %",
    "Gaussian blur",
    "brightness 0.6",
    "brightness 1.5",
    "busy background",
)
OUTPUTS: Final = ("vectors", "norms", "attention", "visible", "global")
_UNFITTED: Final = SameValueCalibration(slope=1.0, intercept=0.0, pairs=0, fitted_on="nothing")
_UNFITTED_DESIGN: Final = DesignSpace(
    slope=1.0,
    intercept=0.0,
    direction_slope=0.0,
    direction_margin=0.0,
    threshold=1.0,
    false_accusation_rate=0.0,
    false_accusation_rate_any_pair=0.0,
    detection_rate=0.0,
    wrong_direction_rate=0.0,
    compared_with=0,
    pairs=0,
    fitted_on="nothing",
)


class ExportError(RuntimeError):
    """The exported file does not say what the network says."""


class AttributeAbout(BaseModel):
    """What an attribute and its values mean, for people."""

    model_config = ConfigDict(extra="forbid")

    description: str = ""
    values: dict[str, str] = {}


class About(BaseModel):
    """What no training run can know of its model: names, licences, meanings. A JSON file."""

    model_config = ConfigDict(extra="forbid")

    name: str = "lapel-custom"
    version: str = "1"
    licence: str = "unspecified"
    data: str = "unspecified"
    data_licence: str = "unspecified"
    attributes: dict[str, AttributeAbout] = {}

    @classmethod
    def read(cls, path: Path | None) -> "About":
        """Read the file; without one, the defaults.

        Raises:
            ValueError: the file is not there or not of this form.
        """
        if path is None:
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as exc:
            raise ValueError(f"cannot use {path}: {exc}") from exc


def export(
    run: Run, table: LabelTable, about: About, out: Path, *, progress: Progress | None = None
) -> ModelCard:
    """Write the run's network as a model file.

    Args:
        run: the trained network.
        table: labels; ``train`` gives centres and prototypes, ``valid`` calibrates, ``test``,
            where there is one, is measured.
        about: names, licences, meanings.
        out: where the file goes; replaced whole or not at all.
        progress: told of images embedded.

    Returns:
        The card in the file.

    Raises:
        ExportError: the file's vectors differ from PyTorch's by more than ``PARITY_TOLERANCE``.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial.onnx")
    try:
        serving = Serving(run.network, run.design_head)
        encoder = _written(serving, _first_card(run, about), partial)
        train, valid = (
            embed_table(encoder, table.split(split), progress=progress)
            for split in ("train", "valid")
        )
        serving.centres = torch.from_numpy(_centres(train, encoder.card))
        train, valid = (
            _centred(serving, _attributes_alone(embedded, encoder.card))
            for embedded in (train, valid)
        )
        card = _with_frequencies(encoder.card, train.table)
        card = _scaled(_with_prototypes(card, train), [valid])
        if design_named(run.config.design).value_head:
            serving.draw_towards(card.attributes)
        encoder = _written(serving, card, partial)
        check_parity(serving, encoder)
        valid = embed_table(encoder, table.split("valid"), progress=progress)
        changed = _embedded_changed(encoder, table.split("valid"), progress)
        card = _calibrated(card, [valid, *changed])
        if run.design_head is not None:
            copied = copied_split(
                encoder, table.split("valid"), table.split("train"), progress=progress
            )
            card = card.model_copy(
                update={"design_space": fit_design_space(copied, fitted_on="valid")}
            )
        measured = {"valid": valid}
        if "test" in table.splits:
            measured["test"] = embed_table(encoder, table.split("test"), progress=progress)
        quality = [evaluate(rows, card.attributes, split) for split, rows in measured.items()]
        card = card.model_copy(update={"quality": tuple(quality)})
        _write_card(partial, card)
        encoder = Encoder.load(partial)
        evidence = fit_evidence(encoder, valid, measured.get("test"), progress=progress)
        _write_card(partial, card.model_copy(update={"evidence": evidence}))
        card = Encoder.load(partial).card
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return card


def images_embedded(table: LabelTable, *, with_copies: bool = False) -> int:
    """How many images `export` will tell its ``progress`` of; with copies for a design space."""
    train, valid = len(table.split("train")), len(table.split("valid"))
    test = len(table.split("test")) if "test" in table.splits else 0
    changed = len(CALIBRATED_UNDER) * min(valid, CHANGED_AT_MOST)
    copies = (1 + COPIES) * valid if with_copies else 0
    pairs = pictures_embedded([images for images in (valid, test) if images])
    return train + 2 * valid + changed + test + copies + pairs


class Serving(nn.Module):
    """What the file computes: the network, its spaces centred and gathered around values.

    Trained vectors of one attribute share a common part, which squeezes all cosines towards 1,
    more in one attribute than in another; weights between attributes then mean little. The
    centre is subtracted before unit length is restored. Then each vector is drawn towards the
    prototypes of its values, as much to each as it is probable, so that what is surely a polo
    collar lies nearer to other polo collars. Values are read from those vectors by the card's
    prototypes, so the file holds no value head.

    A design head adds the space ``design`` as the last row, as it is: no centre, no values.
    """

    centres: Tensor  # (A, D), or zero as long as they are not known
    prototypes: Tensor  # (A, V, D), rows past an attribute's last value are zero
    scales: Tensor  # (A, 1)
    no_value: Tensor  # (A, V) bool, past an attribute's last value

    def __init__(self, network: nn.Module, design_head: DesignHead | None = None) -> None:
        super().__init__()
        self.network: Any = network.eval()
        self.design_head = None if design_head is None else design_head.eval()
        self.taps = None if design_head is None else Taps(self.network.get_submodule("trunk"))
        self.register_buffer("centres", torch.zeros(1, 1))
        self.draws = False

    def draw_towards(self, attributes: Sequence[AttributeCard]) -> None:
        """From now on draw vectors towards these prototypes, probabilities as the card has them."""
        most = max(len(attribute.values) for attribute in attributes)
        places = [np.array(attribute.prototypes, np.float32) for attribute in attributes]
        padded = [np.pad(rows, ((0, most - len(rows)), (0, 0))) for rows in places]
        missing = [[v >= len(rows) for v in range(most)] for rows in places]
        self.register_buffer("prototypes", torch.from_numpy(np.stack(padded)))
        self.register_buffer("no_value", torch.tensor(missing))
        self.register_buffer("scales", torch.tensor([[a.scale] for a in attributes]))
        self.draws = True

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, S, S) normalised -> the tensors named in ``OUTPUTS``."""
        if self.taps is None or self.design_head is None:
            e, design = self.network(images), None
        else:
            grids = self.taps(images)
            e, design = self.network.from_features(grids[-1]), self.design_head(grids)
        vectors = self.centred(e.vectors)
        if self.draws:
            vectors = self.drawn(vectors)
        visible = e.visible_logits.sigmoid()
        if design is None:
            return vectors, e.norms, e.attention, visible, e.global_vector
        return (
            torch.cat([vectors, design.vectors.unsqueeze(1)], dim=1),
            torch.cat([e.norms, design.norms.unsqueeze(1)], dim=1),
            torch.cat([e.attention, design.attention.unsqueeze(1)], dim=1),
            torch.cat([visible, torch.ones_like(visible[:, :1])], dim=1),
            e.global_vector,
        )

    def centred(self, vectors: Tensor) -> Tensor:
        """(..., A, D) unit vectors -> unit vectors around the centres."""
        return F.normalize(vectors - self.centres, dim=-1, eps=1e-6)

    def drawn(self, vectors: Tensor) -> Tensor:
        """(B, A, D) unit vectors -> unit vectors nearer to the prototypes of their values."""
        by_attribute = vectors.transpose(0, 1)  # (A, B, D)
        cosines = torch.matmul(by_attribute, self.prototypes.transpose(1, 2))  # (A, B, V)
        logits = cosines * self.scales.unsqueeze(2)
        probable = logits.masked_fill(self.no_value.unsqueeze(1), -1e4).softmax(dim=-1)
        step = torch.matmul(probable, self.prototypes).transpose(0, 1)
        return F.normalize(vectors + VALUE_PULL * step, dim=-1, eps=1e-6)


def check_parity(serving: Serving, encoder: Encoder) -> float:
    """Compare file and network on random pictures, alone and in a batch.

    Returns:
        The largest absolute difference of the unit vectors.

    Raises:
        ExportError: it exceeds ``PARITY_TOLERANCE``.
    """
    rng = np.random.default_rng(0)
    side = encoder.card.preprocessing.input_size
    worst = 0.0
    for batch in (1, 5):
        images = rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
        normalised = torch.from_numpy(normalise(images, encoder.card.preprocessing))
        with torch.no_grad():
            expected = serving(normalised)[0].numpy()
        worst = max(worst, float(np.abs(encoder.encode(images).vectors - expected).max()))
    if worst > PARITY_TOLERANCE:
        raise ExportError(
            f"the exported vectors differ from PyTorch's by {worst:.2e}, more than "
            f"{PARITY_TOLERANCE:.0e}"
        )
    return worst


def _written(serving: Serving, card: ModelCard, path: Path) -> Encoder:
    _write_graph(serving, card.preprocessing.input_size, path)
    _write_card(path, card)
    return Encoder.load(path)


def _centres(train: EmbeddedTable, card: ModelCard) -> NDArray[np.float32]:
    """(A, D): per attribute the mean over its values of each value's mean vector.

    Values count alike, so that the centre is not just the commonest value.
    """
    centres = np.zeros((len(card.attributes), train.vectors.shape[2]), np.float32)
    for index, attribute in enumerate(card.attributes):
        actual = train.table.value_indices(attribute.name, attribute.values)
        means = [
            train.vectors[actual == v, index].mean(axis=0) for v in np.unique(actual) if v >= 0
        ]
        if len(means) > 1:
            centres[index] = np.mean(means, axis=0)
    return centres


def _attributes_alone(embedded: EmbeddedTable, card: ModelCard) -> EmbeddedTable:
    return replace(embedded, vectors=embedded.vectors[:, : len(card.attributes)])


def _centred(serving: Serving, embedded: EmbeddedTable) -> EmbeddedTable:
    vectors = serving.centred(torch.from_numpy(embedded.vectors)).numpy()
    return replace(embedded, vectors=vectors)


def _embedded_changed(
    encoder: Encoder, valid: LabelTable, progress: Progress | None
) -> list[EmbeddedTable]:
    """The split under each of CALIBRATED_UNDER; photographs that cannot be changed stay."""
    some = valid.take(range(min(len(valid), CHANGED_AT_MOST)))
    readers = (Changed(CHANGES[name], encoder.card.preprocessing) for name in CALIBRATED_UNDER)
    return [embed_table(encoder, some, progress=progress, read=read) for read in readers]


def _with_frequencies(card: ModelCard, train: LabelTable) -> ModelCard:
    """How frequent each value is among the photographs that show one of the attribute's."""
    attributes = []
    for attribute in card.attributes:
        actual = train.value_indices(attribute.name, attribute.values)
        # A value is learnt because photographs show it; 1 is for a table that is not the run's.
        counts = np.bincount(actual[actual >= 0], minlength=len(attribute.values)).clip(min=1)
        shares = tuple(round(float(share), 6) for share in counts / counts.sum())
        attributes.append(attribute.model_copy(update={"value_frequencies": shares}))
    return card.model_copy(update={"attributes": tuple(attributes)})


def _with_prototypes(card: ModelCard, train: EmbeddedTable) -> ModelCard:
    """Prototypes in the centred spaces, whatever the network was trained with.

    Args:
        card: gives attributes and values.
        train: centred vectors of the training rows, and their labels.
    """
    vectors = torch.from_numpy(train.vectors)
    attributes = []
    for index, attribute in enumerate(card.attributes):
        actual = train.table.value_indices(attribute.name, attribute.values)
        rows = np.flatnonzero(actual >= 0)
        prototypes = _fit_prototypes(
            vectors[rows, index], torch.from_numpy(actual[rows]), len(attribute.values)
        )
        rounded = tuple(tuple(round(x, 6) for x in row) for row in prototypes.tolist())
        attributes.append(attribute.model_copy(update={"prototypes": rounded}))
    return card.model_copy(update={"attributes": tuple(attributes)})


def _fit_prototypes(vectors: Tensor, actual: Tensor, count: int) -> Tensor:
    """(count, D) unit vectors of a normalised softmax with label smoothing 0.1.

    Held near each value's mean by ``PROTOTYPE_PULL``: left free, they name values as well, but
    stand almost at right angles to the garments that a search by value should find.
    """
    means = torch.stack([vectors[actual == value].mean(dim=0) for value in range(count)])
    means = F.normalize(means, dim=-1)
    prototypes = means.clone().requires_grad_()
    log_scale = torch.tensor(INITIAL_SCALE).log().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [prototypes, log_scale], max_iter=60, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        unit = F.normalize(prototypes, dim=-1)
        logits = log_scale.exp() * vectors @ unit.T
        loss = F.cross_entropy(logits, actual, label_smoothing=0.1)
        loss = loss + PROTOTYPE_PULL * (1 - (unit * means).sum(dim=-1)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return F.normalize(prototypes.detach(), dim=-1)


def _write_graph(serving: Serving, input_size: int, path: Path) -> None:
    # Two rows: a batch of one would be taken for a constant.
    example = torch.zeros(2, 3, input_size, input_size)
    program = torch.onnx.export(
        serving.eval(),
        (example,),
        input_names=["images"],
        output_names=list(OUTPUTS),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.save(path, external_data=False)


def _write_card(path: Path, card: ModelCard) -> None:
    graph = onnx.load(path)
    for part in (*graph.graph.node, *graph.graph.value_info):
        del part.metadata_props[:]  # where the exporter ran, with paths of that machine
    onnx.helper.set_model_props(graph, {CARD_KEY: card.model_dump_json()})
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def _first_card(run: Run, about: About) -> ModelCard:
    dimension = design_named(run.config.design).branches * run.config.embedding_dimension
    prototypes, scales = _first_prototypes(run, dimension)
    attributes = tuple(
        _attribute_card(name, names, prototypes[row, : len(names)], scales[row], about.attributes)
        for row, (name, names) in enumerate(zip(run.attributes, run.value_names, strict=True))
    )
    return ModelCard(
        name=about.name,
        version=about.version,
        licence=about.licence,
        design=run.config.design,
        backbone=run.config.backbone,
        embedding_dimension=dimension,
        preprocessing=run.config.preprocessing(),
        attributes=attributes,
        provenance=Provenance(
            data=about.data,
            data_licence=about.data_licence,
            training_images=run.training_images,
            pretrained="torchvision default" if run.config.pretrained else "none",
            left_out_values=run.left_out_values,
        ),
        design_space=None if run.design_head is None else _UNFITTED_DESIGN,
    )


def _first_prototypes(run: Run, dimension: int) -> tuple[NDArray[np.float32], list[float]]:
    """(A, V, D) and a scale per attribute: the value head's, or mere places for fitted ones."""
    head = getattr(run.network, "values", None)
    if isinstance(head, ValueHead):
        return head.unit_prototypes().detach().numpy(), head.log_scale.detach().exp().tolist()
    most = max(len(names) for names in run.value_names)
    prototypes = np.zeros((len(run.attributes), most, dimension), np.float32)
    return prototypes, [INITIAL_SCALE] * len(run.attributes)


def _attribute_card(
    name: str,
    values: tuple[str, ...],
    prototypes: NDArray[np.float32],
    scale: float,
    meanings: Mapping[str, AttributeAbout],
) -> AttributeCard:
    meaning = meanings.get(name, AttributeAbout())
    return AttributeCard(
        name=name,
        description=meaning.description,
        values=values,
        value_descriptions={v: meaning.values[v] for v in values if v in meaning.values},
        prototypes=tuple(tuple(round(float(x), 6) for x in row) for row in prototypes),
        scale=scale,
        same_value=_UNFITTED,
    )


def _scaled(card: ModelCard, tables: Sequence[EmbeddedTable]) -> ModelCard:
    attributes = tuple(
        attribute.model_copy(update={"scale": _fit_scale(attribute, tables, index)})
        for index, attribute in enumerate(card.attributes)
    )
    return card.model_copy(update={"attributes": attributes})


def _calibrated(card: ModelCard, tables: Sequence[EmbeddedTable]) -> ModelCard:
    card = _scaled(card, tables)
    attributes = tuple(
        attribute.model_copy(update={"same_value": _fit_same_value(attribute, tables, index)})
        for index, attribute in enumerate(card.attributes)
    )
    return card.model_copy(update={"attributes": attributes})


def _fit_scale(attribute: AttributeCard, tables: Sequence[EmbeddedTable], index: int) -> float:
    """Temperature scaling (Guo et al., ICML 2017): the scale of least log loss."""
    actual = np.concatenate(
        [t.table.value_indices(attribute.name, attribute.values) for t in tables]
    )
    rows = np.flatnonzero(actual >= 0)
    if len(rows) == 0:
        return attribute.scale
    vectors = np.concatenate([t.vectors[:, index] for t in tables])[rows]
    cosines = vectors @ np.array(attribute.prototypes, np.float32).T

    def log_loss(log_scale: float) -> float:
        logits = np.exp(log_scale) * cosines
        right = logits[np.arange(len(rows)), actual[rows]]
        return float(np.mean(logsumexp(logits, axis=1) - right))

    fit = minimize_scalar(log_loss, bounds=(np.log(0.5), np.log(100.0)), method="bounded")
    return float(np.exp(fit.x))


def _fit_same_value(
    attribute: AttributeCard, tables: Sequence[EmbeddedTable], index: int
) -> SameValueCalibration:
    """Logistic regression from cosine to "same value", over pairs by different photographers.

    Both pictures of a pair are changed in the same way, or neither.
    """
    pairs = [labelled_pairs(embedded, index, attribute) for embedded in tables]
    cosines = np.concatenate([each.similarities for each in pairs])
    same = np.concatenate([each.same for each in pairs])
    if same.all() or not same.any():
        return _UNFITTED
    fit = LogisticRegression(C=np.inf).fit(cosines[:, None], same)
    return SameValueCalibration(
        slope=float(fit.coef_[0, 0]),
        intercept=float(fit.intercept_[0]),
        pairs=len(same),
        fitted_on="valid",
    )
