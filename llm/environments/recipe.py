"""What an environment is made of: a lock file ``NAME.txt`` in this folder.

Its comments at the top say what is wanted, each as ``# key: value``; below them stands every package that this
brings, at one version each, as pip's constraints. A value may go on in further lines of the same key::

    # about: LMDeploy without its engine, to quantise on a processor
    # python: 3.11 3.12 3.13          which Pythons it can be made with, the best first
    # requires: torch==2.13.0 peft==0.14.0
    # no-deps: lmdeploy==0.18.0       installed last, without asking for what it says it needs
    # imports: torch lmdeploy         tried before the environment counts as made
    # download_mib: 900
    # disk_mib: 1700                  measured; what must be free before anything is begun

``make lock`` resolves the pins anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent
KEYS = ("about", "python", "requires", "no-deps", "imports", "download_mib", "disk_mib")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One lock file, read. ``pins``: its constraints, one a line; ``text``: the file as it stands."""

    name: str
    about: str
    pythons: tuple[str, ...]
    requires: tuple[str, ...]
    without_dependencies: tuple[str, ...]
    imports: tuple[str, ...]
    download_mib: int
    disk_mib: int
    pins: tuple[str, ...] = field(repr=False)
    text: str = field(repr=False)

    def digest(self, python: str) -> str:
        """Twelve hexadecimal characters that differ where the lock or the Python (``3.11``) does."""
        return hashlib.sha256(f"{python}\n{self.text}".encode()).hexdigest()[:12]


def names() -> tuple[str, ...]:
    """Every environment there is a lock for."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.txt")))


def read(name: str, folder: Path = FOLDER) -> Recipe:
    """Raises ``KeyError`` for a name without a lock, ``ValueError`` for a lock that is not written as above."""
    file = folder / f"{name}.txt"
    if not file.is_file():
        raise KeyError(name)
    return parse(name, file.read_text("utf-8"))


def parse(name: str, text: str) -> Recipe:
    """A lock file's text. Raises ``ValueError``."""
    said: dict[str, list[str]] = {key: [] for key in KEYS}
    pins = []
    for line in text.splitlines():
        if line.startswith("#"):
            key, _, value = line[1:].strip().partition(":")
            if key not in said:
                raise ValueError(f"{name}.txt: {line!r} has none of the keys {', '.join(KEYS)}")
            said[key] += value.split()
        elif line.strip():
            pins.append(line.strip())
    missing = [key for key in KEYS if not said[key] and key != "no-deps"]
    if missing or not pins:
        raise ValueError(f"{name}.txt: {', '.join(missing) or 'every pin'} is missing")
    return Recipe(
        name,
        " ".join(said["about"]),
        tuple(said["python"]),
        tuple(said["requires"]),
        tuple(said["no-deps"]),
        tuple(said["imports"]),
        int(said["download_mib"][0]),
        int(said["disk_mib"][0]),
        tuple(pins),
        text,
    )
