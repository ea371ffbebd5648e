"""What commands share: the store or the knowledge while one runs, a progress bar, a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from bot.store import Store
    from maodou.config import Settings
    from maodou.documents import Documents
    from rag.library import Library


@contextmanager
def opened(context: typer.Context) -> Iterator[tuple[Store, Documents]]:
    """The store, and the knowledge with its indexes loaded."""
    from maodou.config import begin
    from maodou.database import open_store
    from maodou.documents import Documents

    settings = begin(context.obj, quiet=True)
    store = open_store(settings)
    try:
        with Documents.open(settings, store) as documents:
            yield store, documents
    finally:
        store.close()


@contextmanager
def library(context: typer.Context) -> Iterator[tuple[Library, Settings]]:
    """The shelf alone, and whose it is."""
    from maodou.config import begin
    from maodou.database import open_store
    from rag.library import Library

    settings = begin(context.obj, quiet=True)
    store = open_store(settings)
    try:
        yield Library(store, settings.knowledge), settings
    finally:
        store.close()


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int, int, str], None] | None]:
    """A progress bar on stderr, where a person looks on."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, total, source: bar.update(task, completed=done, total=total, description=source[-60:])


def print_table(columns: tuple[str, ...], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200).print(table)
