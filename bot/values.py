"""What is set in one room: every setting's value there, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, overload

from bot.room_settings import Setting

T = TypeVar("T")


class Values(Mapping[str, Any]):
    """The settings that hold in one room, all of them. ``values["unasked"]`` by name, ``values[UNASKED]`` typed."""

    def __init__(self, values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
        self._values = values
        self._origins = origins

    @overload
    def __getitem__(self, key: Setting[T]) -> T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: str | Setting[Any]) -> Any:
        return self._values[key.name if isinstance(key, Setting) else key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def origin(self, name: str) -> str | None:
        """The scope that the value comes from; None where nobody has set it."""
        return self._origins.get(name)
