"""What a training loop asks of the machine: a device, memory that stays, a bar on the terminal."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def choose_device(name: str) -> torch.device:
    """``auto``: CUDA where there is one; anything else is torch's own name for a device."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def keep_freed_memory() -> None:
    """Let glibc keep what is freed, instead of asking the kernel for zeroed pages every step.

    A step on CPU frees and takes hundreds of MB of activations: 1.2 to 1.7 times faster, measured
    with both compact trunks at 96 and 160 px.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        mmap_max, trim_threshold = -4, -1  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """A bar with counts and times."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        yield bar
