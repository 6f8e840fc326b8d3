"""Options that several commands share, so that they read and mean the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="Model file; default LAPEL_MODEL_PATH, or else the shipped one.",
        show_default=False,
    ),
]
# A text, since a path would take one of the slashes of redis:// away.
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Folder of the garments, or URL of a Redis; default LAPEL_STORE, or else lapel-data.",
        show_default=False,
    ),
]
CatalogOption = Annotated[str, typer.Option("--catalog", help="Catalog within the store.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Data = Annotated[
    Path,
    typer.Option(
        help="CSV of labels: a 'file' column (paths relative to the CSV), a column per attribute, "
        "and 'split'.",
        show_default=False,
    ),
]
Split = Annotated[str, typer.Option(help="Rows to measure: those with this in 'split'.")]
GroupColumn = Annotated[
    str,
    typer.Option(help="Column naming who took the photograph: hits by the same are left out."),
]
