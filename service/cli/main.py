"""`lapel`: many commands, of which only the one asked for is loaded.

The list of commands is written from their docstrings without importing them: `lapel --help` is
quick, and names the training commands also where torch is not installed.
"""

import ast
import functools
import importlib
import importlib.util
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from service.cli.failures import in_one_line

COMMANDS: Final = {
    "demo": "service.cli.demo:demo",
    "serve": "service.cli.serve:serve",
    "compare": "service.cli.compare:compare",
    "evidence": "service.cli.evidence:evidence",
    "index": "service.cli.index:index",
    "import": "service.cli.import_feed:import_feed",
    "search": "service.cli.search:search",
    "screen": "service.cli.screen:screen",
    "embed": "service.cli.embed:embed",
    "reindex": "service.cli.reindex:reindex",
    "model": "service.cli.card:commands",
    "evaluate": "service.cli.evaluate:evaluate",
    "pictures": "service.cli.pictures:pictures",
    "report": "service.cli.report:report",
    "protocol-labels": "service.cli.protocol_labels:protocol_labels",
}
ENTRY_POINTS: Final = "lapel.commands"
"""Other rooms announce their commands here: a name, and `module:function`."""
MARKUP: Final = "markdown"
"""How docstrings are shown: the lines of a paragraph run on."""
OURS: Final = ("api_schemas", "model", "service")


class LazyCommands(TyperGroup):
    """A group that knows its commands by name and place until one is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Ours, then those of other rooms."""
        return list(_places())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command that can be listed, not run."""
        place = _places().get(cmd_name)
        return TyperCommand(name=cmd_name, help=_summary(place)) if place else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments name, loaded."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and _loaded(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Run it; what the user can mend becomes one line and exit status 1."""
        try:
            return super().invoke(ctx)
        except Exception as exc:
            line = in_one_line(exc)
            if line is None:
                raise
            typer.secho(f"lapel: {line}", fg="red", err=True)
            raise typer.Exit(1) from exc


app = typer.Typer(
    name="lapel",
    cls=LazyCommands,
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    pretty_exceptions_show_locals=False,
)


def main() -> None:
    """Run the command line."""
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        from service.app import package_version

        typer.echo(f"lapel {package_version()}")
        raise typer.Exit


@app.callback()
def lapel(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """How alike are two garments in their collar, their sleeve, their neckline, their pattern?

    New here? `lapel demo` draws 300 garments, stores them and searches among them.
    Each command explains itself, with an example: `lapel search --help`
    """


@functools.cache
def _places() -> dict[str, str]:
    others = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    return COMMANDS | {name: place for name, place in others.items() if name not in COMMANDS}


def _loaded(name: str) -> Any:
    module, _, attribute = _places()[name].partition(":")
    try:
        command = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as exc:
        missing = (exc.name or "").partition(".")[0]
        if missing in OURS:
            raise
        extra = "train" if name not in COMMANDS else "cpu"
        typer.secho(
            f"lapel: {name} needs {missing}, which is not installed here; install it with: "
            f'pip install "lapel[{extra}]"',
            fg="red",
            err=True,
        )
        raise typer.Exit(1) from exc
    if isinstance(command, typer.Typer):
        return typer.main.get_command(command)
    alone = typer.Typer(add_completion=False, rich_markup_mode=MARKUP)
    alone.command(name)(command)
    return typer.main.get_command(alone)


def _summary(place: str) -> str:
    """First line of the docstring of the function at `module:function`, or else its module's."""
    module, _, attribute = place.partition(":")
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return ""
    if spec is None or spec.origin is None:
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == attribute:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return (ast.get_docstring(tree) or "").partition("\n")[0]


if __name__ == "__main__":
    main()
