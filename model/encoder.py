"""The model file at work: pixels in, one vector per attribute out, through ONNX Runtime.

The file is the whole model: names, preprocessing and calibration come from the card in its
metadata, and an `Encoder` exists only where graph and card agree. ONNX Runtime sizes its threads
from the host and knows nothing of a container's quota, so the count is always given here.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import ValidationError

from api_schemas.card import CARD_KEY, ModelCard
from model.pixels import normalise

SHIPPED_MODEL: Final = Path(__file__).parent / "weights" / "lapel.onnx"
FINGERPRINT_DIGITS: Final = 16

# The file's outputs, in the order of the fields of `Embeddings`.
_INPUT: Final = "images"
_OUTPUTS: Final = ("vectors", "norms", "visible", "attention", "global")


class ModelFileError(ValueError):
    """The file cannot serve: missing, damaged, without a card, or at odds with its card."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ImageEmbedding:
    """One image, read-only: what the cache keeps and comparisons read.

    A row is a space: every attribute in the card's order, then ``design`` where the model has it
    (`ModelCard.space_names`), ``S`` in all.

    Attributes:
        vectors: (S, D) float32, unit length.
        norms: (S,) float32, lengths before normalisation.
        visible: (S,) float32, probability that the attribute can be seen; 1 in ``design``.
        attention: (S, h, w) float32, each map summing to 1.
        global_vector: (C,) float32, unit length.
    """

    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    visible: NDArray[np.float32]
    attention: NDArray[np.float32]
    global_vector: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays."""
        return sum(int(getattr(self, field.name).nbytes) for field in fields(self))


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """A batch: the arrays of `ImageEmbedding` with a leading ``B``."""

    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    visible: NDArray[np.float32]
    attention: NDArray[np.float32]
    global_vector: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: int) -> ImageEmbedding:
        return ImageEmbedding(
            _own_row(self.vectors, index),
            _own_row(self.norms, index),
            _own_row(self.visible, index),
            _own_row(self.attention, index),
            _own_row(self.global_vector, index),
        )


class Encoder:
    """A loaded model file.

    Attributes:
        card: what the file says about itself.
        fingerprint: first 16 hexadecimal digits of the file's sha256.
        threads: threads one call of `encode` computes with.
    """

    def __init__(self, session: ort.InferenceSession, card: ModelCard, fingerprint: str) -> None:
        self._session = session
        self.card = card
        self.fingerprint = fingerprint
        self.threads: int = session.get_session_options().intra_op_num_threads

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        threads: int | None = None,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> "Encoder":
        """Open a model file and check it against its card.

        Args:
            path: the .onnx file.
            threads: threads per call; None takes `available_cpus`.
            providers: ONNX Runtime execution providers, by preference; each must be there.

        Raises:
            ModelFileError: the file is missing, damaged, has no valid card or disagrees with it,
                or a provider cannot be used.
        """
        _require_providers(providers)
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise ModelFileError(f"cannot read the model file {path}: {exc.strerror}") from exc
        session = _open_session(data, path, threads or available_cpus(), providers)
        card = _read_card(session, path)
        _require_agreement(session, card, path)
        return cls(session, card, hashlib.sha256(data).hexdigest()[:FINGERPRINT_DIGITS])

    def encode(self, pixels: NDArray[np.uint8]) -> Embeddings:
        """Embed decoded images; safe to call from several threads.

        Args:
            pixels: (B, S, S, 3) uint8, as `model.pixels.decode` returns them; B at least 1.

        Raises:
            ValueError: the shape or dtype is another.
        """
        side = self.card.preprocessing.input_size
        if pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3) or not len(pixels):
            raise ValueError(f"pixels must be (B, {side}, {side}, 3), not {pixels.shape}")
        if pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8, not {pixels.dtype}")
        images = normalise(pixels, self.card.preprocessing)  # (B, 3, S, S)
        return Embeddings(*self._session.run(_OUTPUTS, {_INPUT: images}))


def available_cpus(root: Path = Path("/")) -> int:
    """CPUs this process may use: its affinity, or the cgroup's quota where that is less.

    A quota of 1.5 CPUs gives 1: two threads would spend a quarter of each period throttled.

    Args:
        root: where ``proc`` and ``sys`` are found.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min([affinity or 1, *(int(quota) for quota in _cpu_quotas(root))]))


def _own_row(batch: NDArray[np.float32], index: int) -> NDArray[np.float32]:
    # A copy, so that one cached row does not keep its whole batch in memory; read-only, since
    # concurrent requests share it.
    row: NDArray[np.float32] = batch[index].copy()
    row.setflags(write=False)
    return row


def _cpu_quotas(root: Path) -> Iterator[float]:
    """Every quota set on our cgroup or on one above it, in CPUs."""
    for folder in _cgroup_folders(root):
        try:
            quota, period = (folder / "cpu.max").read_text().split()  # v2: "max" or microseconds
        except (OSError, ValueError):
            try:
                quota = (folder / "cpu.cfs_quota_us").read_text().strip()  # v1: -1 is no limit
                period = (folder / "cpu.cfs_period_us").read_text().strip()
            except OSError:
                continue
        if quota.isdigit() and period.isdigit() and int(period):
            yield int(quota) / int(period)


def _cgroup_folders(root: Path) -> Iterator[Path]:
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in (*lines, "0::/", "0:cpu:/"):
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        place = mount / controllers / path.strip("/") if controllers else mount / path.strip("/")
        yield place
        yield from (parent for parent in place.parents if parent.is_relative_to(mount))


def _require_providers(providers: Sequence[str]) -> None:
    there = ort.get_available_providers()
    if missing := [name for name in providers if name not in there]:
        raise ModelFileError(
            f"execution provider {', '.join(missing)} is not in this ONNX Runtime; "
            f"there are {', '.join(there)}"
        )


def _open_session(
    data: bytes, path: Path, threads: int, providers: Sequence[str]
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Idle threads would spin on cores that decoding and HTTP need. Shipped model, 2 threads on 2
    # cores with another process busy: 134 against 61 images/s one by one, 109 against 85 in 16s.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; warnings of the optimiser mean nothing to a caller
    try:
        session = ort.InferenceSession(data, options, providers=list(providers))
    except Exception as exc:  # ONNX Runtime's exceptions share no base of their own
        raise ModelFileError(f"{path} is not a usable ONNX file: {exc}") from exc
    # A provider whose libraries fail to load is dropped with a log line only.
    if dropped := [name for name in providers if name not in session.get_providers()]:
        raise ModelFileError(f"execution provider {', '.join(dropped)} could not be started")
    return session


def _read_card(session: ort.InferenceSession, path: Path) -> ModelCard:
    document = session.get_modelmeta().custom_metadata_map.get(CARD_KEY)
    if document is None:
        raise ModelFileError(f"{path} has no model card (metadata key {CARD_KEY!r})")
    try:
        return ModelCard.model_validate_json(document)
    except ValidationError as exc:
        raise ModelFileError(f"the model card of {path} is not valid: {exc}") from exc


def _require_agreement(session: ort.InferenceSession, card: ModelCard, path: Path) -> None:
    """Compare every shape that the card promises; None stands for any size."""
    side, count = card.preprocessing.input_size, card.spaces_count
    width = card.embedding_dimension
    promised: dict[str, tuple[int | None, ...]] = {
        "vectors": (count, width),
        "norms": (count,),
        "visible": (count,),
        "attention": (count, None, None),
        "global": (None,),
    }
    _require_ports(session.get_inputs(), {_INPUT: (3, side, side)}, path)
    _require_ports(session.get_outputs(), promised, path)
    for attribute in card.attributes:
        if any(len(prototype) != width for prototype in attribute.prototypes):
            raise ModelFileError(
                f"{path}: a prototype of {attribute.name!r} does not have {width} dimensions"
            )


def _require_ports(
    ports: Sequence[Any], promised: dict[str, tuple[int | None, ...]], path: Path
) -> None:
    found = {port.name: port for port in ports}
    for name, row in promised.items():
        if name not in found:
            raise ModelFileError(f"{path} has no {name!r}; it has {', '.join(found)}")
        port = found[name]
        fits = len(port.shape) == len(row) + 1 and all(
            want is None or have == want for have, want in zip(port.shape[1:], row, strict=True)
        )
        if not fits or isinstance(port.shape[0], int) or port.type != "tensor(float)":
            sizes = ", ".join("any" if size is None else str(size) for size in row)
            raise ModelFileError(
                f"{path}: {name!r} is {port.type} {port.shape}; "
                f"the card asks for tensor(float) with a free batch and then ({sizes})"
            )
