"""What a bench found, on the screen and in the document of results.

A section carries its own date and hardware, since benches can be run again one by one: a new
section replaces the one of the same name and leaves the others alone.
"""

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model.encoder import available_cpus

BUSY_LOAD_PER_CPU = 0.25
VERSIONS_SHOWN = ("onnxruntime", "numpy", "fastapi", "uvicorn", "pillow")


@dataclass(frozen=True)
class Goal:
    """One ratio and the least it should be."""

    what: str
    least: float
    measured: float

    def __str__(self) -> str:
        verdict = "met" if self.measured >= self.least else "missed"
        return f"{self.what}: {self.measured:.2f}, goal at least {self.least:g}: {verdict}"


@dataclass(frozen=True)
class Report:
    """One bench's answer.

    Attributes:
        name: as on the command line.
        title: one line.
        method: what was measured against what.
        columns: of the table; the first names the row.
        rows: as text.
        goals: those of the bench, if any.
        notes: what else a reader should know of this run.
    """

    name: str
    title: str
    method: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def show(report: Report, console: Console) -> None:
    """Print a report."""
    table = Table(*report.columns, title=escape(report.title), title_justify="left")
    for row in report.rows:
        table.add_row(*map(escape, row))
    console.print(table)
    for line in (*report.goals, *report.notes):
        console.print(escape(str(line)))
    console.print()


def write(reports: Sequence[Report], document: Path, circumstances: str) -> None:
    """Put reports into the document, each in place of the section of its name."""
    text = document.read_text(encoding="utf-8")
    for report in reports:
        section = _section(report, circumstances)
        pattern = re.compile(
            rf"^<!-- {report.name} -->\n.*?^<!-- end {report.name} -->\n", re.MULTILINE | re.DOTALL
        )
        if pattern.search(text):
            text = pattern.sub(lambda _, section=section: section, text)  # type: ignore[misc]
        else:
            text = f"{text.rstrip()}\n\n{section}"
    document.write_text(text, encoding="utf-8")


def circumstances(*, quick: bool) -> str:
    """Hardware, versions, date, and whatever makes the figures worth less."""
    cpus = available_cpus()
    versions = ", ".join(f"{name} {version(name)}" for name in VERSIONS_SHOWN)
    parts = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{_cpu_model()}, {cpus} {'core' if cpus == 1 else 'cores'}, {_memory_gib():.0f} GiB",
        f"Python {platform.python_version()}, {versions}",
    ]
    load = os.getloadavg()[0]
    if load > BUSY_LOAD_PER_CPU * (os.cpu_count() or 1):
        parts.append(f"load average {load:.1f} before the start: the machine was not idle")
    if quick:
        parts.append("a quick run, good for seeing that it works")
    return "; ".join(parts)


def _section(report: Report, circumstances: str) -> str:
    lines = [
        f"<!-- {report.name} -->",
        f"## {report.title}",
        "",
        report.method,
        "",
        f"| {' | '.join(report.columns)} |",
        f"| --- {'| ---: ' * (len(report.columns) - 1)}|",
        *(f"| {' | '.join(row)} |" for row in report.rows),
        "",
        *(f"- **{goal}**" for goal in report.goals),
        *(f"- {note}" for note in report.notes),
        f"- Measured {circumstances}.",
        f"<!-- end {report.name} -->",
        "",
    ]
    return "\n".join(lines)


def _cpu_model() -> str:
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        described = ""
    found = re.search(r"^model name\s*: (.+)$", described, re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_gib() -> float:
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / (1 << 30)
