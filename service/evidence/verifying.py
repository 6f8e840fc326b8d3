"""Whether stored evidence is what was found, and whether it is found again.

Two questions. Hashes say whether anything was altered since. The figures, computed again from the
files, say whether the finding can be reproduced; that needs the same model, and agreement is up to
the last digits, which depend on which images the network sees together.
"""

import hashlib
import math
from collections.abc import Iterator
from typing import Any, Final

from model.evidence.examining import Evidence
from service.evidence.canonical import Document, sha256_of
from service.evidence.making import ID_DIGITS, figures
from service.evidence.store import EvidenceRecord

RELATIVE: Final = 1e-2
ABSOLUTE: Final = 1e-4
"""Figures agree up to either: a likelihood ratio of 50.0 and 50.4, a similarity to 0.0001."""
SHOWN: Final = 5
"""Figures named that do not agree."""


def hash_checks(record: EvidenceRecord) -> list[Document]:
    """A check for the document, the pictures and the attention maps, as `Check`."""
    return [_document(record), *_parts(record)]


def is_unaltered(checks: list[Document]) -> bool:
    """Whether no hash fails."""
    return all(check["holds"] is not False for check in checks if check["name"] != "figures")


def figures_check(record: EvidenceRecord, again: Evidence | None, why_not: str) -> Document:
    """Whether the model finds the same again; `again` is None where it cannot, `why_not` why."""
    if again is None:
        return _check("figures", None, why_not)
    fresh = figures(again)
    stored = {name: record.document.get(name) for name in fresh}
    differing = [
        f"{path}: {then!r} then, {now!r} now" for path, then, now in _differences(stored, fresh, "")
    ]
    if not differing:
        return _check("figures", True, "computed again from the files, they are the same")
    more = f", and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return _check("figures", False, "; ".join(differing[:SHOWN]) + more)


def _document(record: EvidenceRecord) -> Document:
    try:
        now = sha256_of(record.document)
    except ValueError as exc:
        return _check("document", False, f"it cannot be hashed: {exc}")
    if now != record.sha256:
        return _check("document", False, f"its hash is {now}, not the recorded {record.sha256}")
    if record.id != now[:ID_DIGITS]:
        return _check("document", False, f"its hash {now} does not begin with the id {record.id}")
    return _check("document", True, "its hash is the recorded one")


def _parts(record: EvidenceRecord) -> Iterator[Document]:
    kept = record.pictures
    for letter, file, attention in (
        ("a", kept.a, kept.attention_a),
        ("b", kept.b, kept.attention_b),
    ):
        facts = _member(record.document, "pictures", letter)
        yield _bytes_check(f"picture_{letter}", file, facts.get("sha256"))
        yield _bytes_check(f"attention_{letter}", attention, facts.get("attention_sha256"))


def _bytes_check(name: str, data: bytes | None, recorded: object) -> Document:
    if data is None:
        return _check(name, None, "the file was not kept")
    now = hashlib.sha256(data).hexdigest()
    if now != recorded:
        return _check(name, False, f"its sha256 is {now}, not {recorded}")
    return _check(name, True, "its sha256 is that in the document")


def _member(document: Document, *names: str) -> Document:
    """A part of a document that may have been altered; empty where it is not there."""
    found: Any = document
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _differences(then: Any, now: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(then, dict) and isinstance(now, dict):
        # A figure that older programs did not give is null where there is nothing to say.
        for name in then | now:
            below = f"{path}.{name}" if path else name
            yield from _differences(then.get(name), now.get(name), below)
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for place, pair in enumerate(zip(then, now, strict=True)):
            yield from _differences(*pair, f"{path}[{place}]")
    elif not _agree(then, now):
        yield path, then, now


def _agree(then: Any, now: Any) -> bool:
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in (then, now))
    if numbers:
        return math.isclose(then, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(then == now)


def _check(name: str, holds: bool | None, detail: str) -> Document:
    return {"name": name, "holds": holds, "detail": detail}
