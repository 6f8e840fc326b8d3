"""What the folder knows of models: their roles, whose vectors there are, and their files."""

from service.catalog.connections import Connections
from service.catalog.folder import file_in, keep_file
from service.catalog.models import Roles

MODELS = "models"
"""Folder of the files of models that the store keeps."""
STALE = (
    "SELECT (SELECT count(*) FROM garments) - (SELECT count(*) FROM vectors WHERE fingerprint = ?)"
)


class StoredModels:
    """`change` and `forget_some` belong to the thread that writes; the rest to any."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._folder = connections.path.parent / MODELS

    def roles(self) -> Roles:
        """As they were committed."""
        held = dict(self._connections.read("SELECT role, fingerprint FROM roles"))
        force = held.pop("force", "") == "yes"
        return Roles(**held, force=force)

    def change(self, expected: Roles, wanted: Roles, left_out: int) -> bool:
        """Change the roles inside a transaction; see `CatalogStore.change`."""
        writer = self._connections.writer
        with self._connections.guarded():
            held = dict(writer.execute("SELECT role, fingerprint FROM roles").fetchall())
            if Roles(**{**held, "force": held.get("force") == "yes"}) != expected:
                return False
            if expected.active and wanted.active != expected.active:
                ((stale,),) = writer.execute(STALE, (wanted.active,))
                if stale > left_out:
                    return False
            writer.executemany(
                "INSERT OR REPLACE INTO roles VALUES (?, ?)",
                [
                    ("active", wanted.active),
                    ("next", wanted.next),
                    ("previous", wanted.previous),
                    ("force", "yes" if wanted.force else ""),
                ],
            )
            return True

    def held(self) -> frozenset[str]:
        """Fingerprints of all vectors, each looked for behind the one before."""
        found: list[str] = []
        while True:
            ((least,),) = self._connections.read(
                "SELECT min(fingerprint) FROM vectors WHERE fingerprint > ?",
                (found[-1] if found else "",),
            )
            if least is None:
                return frozenset(found)
            found.append(least)

    def forget_some(self, fingerprint: str, most: int) -> int:
        """Drop some of a model's vectors inside a transaction; how many."""
        with self._connections.guarded():
            return self._connections.writer.execute(
                "DELETE FROM vectors WHERE rowid IN "
                "(SELECT rowid FROM vectors WHERE fingerprint = ? LIMIT ?)",
                (fingerprint, most),
            ).rowcount

    def keep_file(self, fingerprint: str, data: bytes) -> None:
        """Keep a model's file; it is there whole or not at all, also after a loss of power."""
        keep_file(self._folder, _file(fingerprint), data)

    def file(self, fingerprint: str) -> bytes | None:
        """A model's file, if it is kept."""
        return file_in(self._folder, _file(fingerprint))

    def forget_file(self, fingerprint: str) -> None:
        """Keep a model's file no longer."""
        (self._folder / _file(fingerprint)).unlink(missing_ok=True)


def _file(fingerprint: str) -> str:
    return f"{fingerprint}.onnx"
