"""Statements that run for every message: compiled once, then given to the driver's own cursor.

SQLAlchemy builds, checks and wraps anew at each execution; in the writer's profile that took five times as long as
SQLite and its commits together (decision 15). What runs once a message is therefore compiled for its dialect the
first time and kept. Everything else goes through ``Connection.execute`` as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, ClauseElement, Connection, Dialect
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError

Process = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """``order``: the parameters' names where the driver counts them, None where it names them. ``processed``: how a
    value becomes the driver's, where it has to (JSON)."""

    sql: str
    order: tuple[str, ...] | None
    processed: tuple[tuple[str, Process], ...]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        if self.processed:
            values = dict(values)
            for name, process in self.processed:
                values[name] = process(values[name])
        return values if self.order is None else [values[name] for name in self.order]


def as_sqlalchemys(error: Exception, sql: str, dialect: Dialect) -> Exception:
    """The driver's ``error`` as whoever catches SQLAlchemy's knows it; without parameters, which members wrote."""
    return DBAPIError.instance(sql, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect)


class Prepared:
    """``statement``: for a dialect by its name (``sqlite``, ``postgresql``). All its parameters are given at each
    run; for an INSERT or UPDATE they name the columns that it sets."""

    def __init__(self, statement: Callable[[str], ClauseElement]) -> None:
        self._statement = statement
        self._compiled: dict[tuple[str, tuple[str, ...]], _Compiled] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> DBAPICursor:
        """The driver's cursor after the statement: ``fetchone()``, ``rowcount``. Raises SQLAlchemy's errors."""
        dialect = connection.dialect
        key = (dialect.name, tuple(values))
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = self._compile(connection, tuple(values))
        parameters = compiled.parameters(values)
        try:
            cursor = connection.connection.cursor()
            cursor.execute(compiled.sql, parameters)
        except dialect.loaded_dbapi.Error as error:
            raise as_sqlalchemys(error, compiled.sql, dialect) from error
        return cursor

    def _compile(self, connection: Connection, names: tuple[str, ...]) -> _Compiled:
        dialect = connection.dialect
        compiled: Any = self._statement(dialect.name).compile(dialect=dialect, column_keys=list(names))
        processors = {
            name: parameter.type.dialect_impl(dialect).bind_processor(dialect)
            for name, parameter in compiled.binds.items()
        }
        missing = set(processors) - set(names)
        if missing:
            raise ValueError(f"no value for {', '.join(sorted(missing))}")
        for name, parameter in compiled.binds.items():
            if isinstance(parameter.type, Boolean):  # which every driver takes as it is
                processors[name] = None
        order = tuple(compiled.positiontup) if compiled.positional else None
        return _Compiled(str(compiled), order, tuple((name, each) for name, each in processors.items() if each))
