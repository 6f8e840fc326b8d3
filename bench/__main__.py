"""``python -m bench``: speed and size, as ratios against a baseline of the same run."""

import argparse
import importlib
from pathlib import Path

from rich.console import Console

from bench import report
from bench.server import stop_on_terminate

BENCHES = ("one_pass", "upload", "cached", "search", "size")


def main() -> None:
    """Run the benches asked for, show what they found, and write it down if told where."""
    arguments = _arguments()
    stop_on_terminate()
    console = Console(width=160)
    circumstances = report.circumstances(quick=arguments.quick)
    console.print(circumstances, highlight=False)
    reports = []
    for name in arguments.names or BENCHES:
        # Late, since one of them takes seconds to import torch.
        module = importlib.import_module(f"bench.{name}")
        options = {"sizes": arguments.sizes} if name == "search" and arguments.sizes else {}
        with console.status(name) as status:
            found = module.measure(
                lambda what, name=name, status=status: status.update(f"{name}: {what}"),
                quick=arguments.quick,
                **options,
            )
        report.show(found, console)
        reports.append(found)
    if arguments.markdown:
        report.write(reports, arguments.markdown, circumstances)
        console.print(f"written to {arguments.markdown}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)}; all unless given"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rounds: shows that it works, not how fast it is"
    )
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        metavar="N",
        help="garments to search among; 10000, 100000 and 1000000 unless given",
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="document whose sections are replaced"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHES):
        parser.error(f"no bench is called {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    if arguments.markdown and not arguments.markdown.is_file():
        parser.error(f"{arguments.markdown} is not a document whose sections could be replaced")
    return arguments


if __name__ == "__main__":
    main()
