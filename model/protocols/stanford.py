"""The Clothing Attribute Dataset of Stanford (Chen, Gallagher and Girod, ECCV 2012).

images/000001.jpg and on; labels/NAME_GT.mat with one number per picture in "GT", NaN where there is
no label. It has no published split for retrieval: every labelled picture is a query, and all
others are its candidates.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.protocols.tasks import Protocol, ProtocolError, RetrievalTask, Rows, only_listed

WHOLE_SET: Final = "all"
"""The name of its only split."""
_ENDING: Final = "_GT.mat"


def read_stanford(folder: Path) -> RetrievalTask:
    """Every labelled picture as query and as candidate of the others.

    Raises:
        ProtocolError: see `read_ground_truth`.
    """
    files, attributes, rows = read_ground_truth(folder)
    listed, (pictures,) = only_listed(files, rows[:, 0])
    rows = np.column_stack([pictures, rows[:, 1:]])
    return RetrievalTask(
        Protocol.STANFORD, WHOLE_SET, listed, attributes, rows, rows, leave_out_own=True
    )


def read_ground_truth(folder: Path) -> tuple[list[Path], tuple[str, ...], Rows]:
    """All labels that are not NaN.

    Returns:
        Pictures, attribute names, and int64 (L, 3) of picture, attribute and value number.

    Raises:
        ProtocolError: there are no labels, a file is malformed, or scipy is not installed.
    """
    paths = sorted((folder / "labels").glob(f"*{_ENDING}"))
    if not paths:
        raise ProtocolError(f"there is no file labels/*{_ENDING} in {folder}")
    columns = [_ground_truth(path) for path in paths]
    count = len(columns[0])
    for path, column in zip(paths, columns, strict=True):
        if len(column) != count:
            raise ProtocolError(
                f"{path} is of {len(column)} pictures, but {paths[0].name} of {count}"
            )
    labels = np.column_stack(columns)  # (N, A)
    pictures, attributes = np.nonzero(np.isfinite(labels))
    if not len(pictures):
        raise ProtocolError(f"the files labels/*{_ENDING} in {folder} hold no label")
    values = labels[pictures, attributes].astype(np.int64)
    files = [folder / "images" / f"{number:06d}.jpg" for number in range(1, count + 1)]
    names = tuple(path.name.removesuffix(_ENDING) for path in paths)
    return files, names, np.column_stack([pictures, attributes, values])


def _ground_truth(path: Path) -> NDArray[np.float64]:
    document = _load(path)
    if "GT" not in document:
        found = ", ".join(name for name in document if not name.startswith("__"))
        raise ProtocolError(f"{path} has no variable 'GT'; it has: {found}")
    column = np.asarray(document["GT"])
    if column.dtype.kind not in "fiub" or column.size != max(column.shape, default=0):
        raise ProtocolError(
            f"{path}: 'GT' must be one column of numbers, not {column.dtype} {column.shape}"
        )
    numbers = column.astype(np.float64).ravel()
    odd = np.flatnonzero(~np.isnan(numbers) & (np.isinf(numbers) | (np.floor(numbers) != numbers)))
    if len(odd):
        raise ProtocolError(
            f"{path}, entry {odd[0] + 1}: a whole number or NaN is expected, not {numbers[odd[0]]}"
        )
    return numbers


def _load(path: Path) -> dict[str, Any]:
    try:
        from scipy.io import loadmat  # only these files need it: serving installs no scipy
    except ModuleNotFoundError as exc:
        raise ProtocolError(
            f'reading {path} needs scipy; install it with: pip install "lapel[train]"'
        ) from exc
    try:
        document: dict[str, Any] = loadmat(path)
    except OSError as exc:
        raise ProtocolError(f"cannot read {path}: {exc.strerror or exc}") from exc
    # A damaged file reaches many corners of the parser (ValueError, TypeError, struct.error, ...).
    except Exception as exc:
        raise ProtocolError(f"{path} is no MATLAB file that can be read") from exc
    return document
