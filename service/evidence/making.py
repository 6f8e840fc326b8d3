"""From two files and their embeddings to a record: what was found, in what, by what.

Nothing in a document but its time differs between two runs on the same files; the id is taken from
the document's hash, so that nobody has to draw one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from api_schemas import evidence as schema
from api_schemas.card import ModelCard
from model import pixels
from model.alignment import Alignment, align
from model.copies import CopyEvidence
from model.encoder import ImageEmbedding
from model.evidence import examining as examination
from model.evidence.examining import Evidence, Policy
from model.local_features import features_of_file
from service.evidence.canonical import Document, rounded, sha256_of
from service.evidence.errors import EvidenceUnavailable
from service.evidence.store import EvidenceRecord, Pictures
from service.timestamps import stamp

FORMAT: Final = 1
ID_DIGITS: Final = 32
FLOAT: Final = "<f4"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two pictures.

    Attributes:
        name: what it is called in the report.
        data: the file.
        embedding: what the model made of it.
    """

    name: str
    data: bytes
    embedding: ImageEmbedding


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes records with one model.

    Attributes:
        card: of the model.
        identity: name, version and fingerprint of the model.
        program: version of Lapel.
        keep_pictures: whether records hold the files themselves.
    """

    card: ModelCard
    identity: Mapping[str, str]
    program: str
    keep_pictures: bool = True

    def make(
        self,
        a: Side,
        b: Side,
        *,
        names: Sequence[str] | None = None,
        policy: Policy | None = None,
        now: datetime | None = None,
    ) -> EvidenceRecord:
        """Examine two pictures, which can be decoded.

        Args:
            a: the first picture.
            b: the second.
            names: attributes to report; None takes all of the model's.
            policy: None takes the model's own.
            now: when; None takes the clock.

        Raises:
            EvidenceUnavailable: the model's card has no evidence figures.
            UnknownAttribute: the model does not have one of them.
        """
        found = self.examined(a, b, names, policy)
        rows = [self.card.attribute_names.index(each.name) for each in found.attributes]
        attention_a, attention_b = (_written(side.embedding, rows) for side in (a, b))
        made = stamp(now or datetime.now(UTC))
        document = {
            "format": FORMAT,
            "created_at": made,
            "program": self.program,
            "model": dict(self.identity),
            "pictures": {"a": _facts(a, attention_a), "b": _facts(b, attention_b)},
            "attention": self._grid(a.embedding),
            **figures(found),
            "background": background(self.card, found),
        }
        sha256 = sha256_of(document)
        pictures = Pictures(
            a.data if self.keep_pictures else None,
            b.data if self.keep_pictures else None,
            attention_a,
            attention_b,
        )
        return EvidenceRecord(sha256[:ID_DIGITS], sha256, document, pictures)

    def examined(
        self,
        a: Side,
        b: Side,
        names: Sequence[str] | None,
        policy: Policy | None,
    ) -> Evidence:
        """What the model says of two pictures; raises as `make`."""
        alignment = self._alignment(a, b)
        try:
            return examination.examine(
                a.embedding,
                b.embedding,
                self.card,
                names=names,
                policy=policy,
                alignment=alignment,
            )
        except examination.EvidenceUnavailable as exc:
            raise EvidenceUnavailable(str(exc)) from exc

    def _alignment(self, a: Side, b: Side) -> Alignment | None:
        design = self.card.design_space
        if design is None or design.verification is None:
            return None
        return align(
            *(
                features_of_file(side.data, side.embedding.attention, self.card.preprocessing)
                for side in (a, b)
            )
        )

    def _grid(self, embedding: ImageEmbedding) -> Document:
        _, rows, columns = embedding.attention.shape
        return {"rows": rows, "columns": columns, "fit": self.card.preprocessing.fit}


def figures(found: Evidence) -> Document:
    """The part of a document that the model says, which verification computes again."""
    return {
        "attributes": [_as(schema.AttributeEvidence, each) for each in found.attributes],
        "verdict": _as(schema.Verdict, found.verdict),
        "policy": _as(schema.Policy, found.policy),
        "edited_copy": found.copy and _copy(found.copy),
        "conceptual": found.conceptual and _as(schema.Conceptual, found.conceptual),
    }


def attention_of(record: EvidenceRecord) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The attention maps of both pictures, each (A, h, w), in the order of the attributes."""
    grid = record.document["attention"]
    shape = (len(record.document["attributes"]), grid["rows"], grid["columns"])
    kept = record.pictures
    a, b = (
        np.frombuffer(data, FLOAT).reshape(shape) for data in (kept.attention_a, kept.attention_b)
    )
    return a, b


def background(card: ModelCard, found: Evidence) -> Document:
    """What the card's chance levels, and the rates of a policy, were measured on."""
    evidence = card.evidence
    assert evidence is not None
    rates = evidence.rates
    own = examination.default_policy(card)
    is_own = found.policy[1:] == own[1:]
    is_calibrated = found.policy.attributes == own.attributes
    return {
        "chance_pairs": evidence.background_pairs,
        "fitted_on": evidence.fitted_on,
        "measured_on": evidence.measured_on,
        "false_accusation_interval": _plain(rates.false_accusation_interval) if is_own else None,
        "detection_rates": _plain(rates.detection_rates) if is_own else None,
        "calibration_error": rounded(rates.calibration_error) if is_calibrated else None,
        "copies": found.copy and _copies(card, found.copy),
    }


def _copies(card: ModelCard, copy: CopyEvidence) -> Document:
    assert card.design_space is not None
    return {
        "measured_on": card.design_space.fitted_on,
        "compared_with": copy.compared_with,
        "detection_rate": rounded(copy.detection_rate),
        "wrong_direction_rate": rounded(copy.wrong_direction_rate),
        "threshold": rounded(copy.threshold),
    }


def _copy(copy: CopyEvidence) -> Document:
    laid = copy.alignment
    return _as(schema.EditedCopy, copy) | {"alignment": laid and _as(schema.PicturesAligned, laid)}


def _facts(side: Side, attention: bytes) -> Document:
    width, height = pixels.upright_size(side.data)
    return {
        # A file's name may hold bytes that are no text.
        "name": side.name.encode("utf-8", "replace").decode(),
        "sha256": hashlib.sha256(side.data).hexdigest(),
        "bytes": len(side.data),
        "media_type": pixels.media_type(side.data) or "application/octet-stream",
        "width": width,
        "height": height,
        "attention_sha256": hashlib.sha256(attention).hexdigest(),
    }


def _written(embedding: ImageEmbedding, rows: Sequence[int]) -> bytes:
    return np.ascontiguousarray(embedding.attention[list(rows)], FLOAT).tobytes()


def _as(answer: type[BaseModel], found: Any) -> Document:
    """What an answer model has of a finding."""
    return {name: _plain(getattr(found, name)) for name in answer.model_fields}


def _plain(value: Any) -> Any:
    """Tuples as lists or documents, figures rounded: what JSON gives back as it was."""
    if isinstance(value, bool | str | int | None):
        return value
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Sequence):
        return [_plain(each) for each in value]
    return rounded(float(value))
