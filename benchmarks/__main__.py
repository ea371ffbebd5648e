"""``python -m benchmarks NAME …`` runs ``main(argv)`` of ``benchmarks/NAME`` (dashes are underscores)."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules


def names() -> list[str]:
    """The benchmarks there are, as they are called."""
    modules = (module.name for module in iter_modules([str(Path(__file__).parent)]))
    return sorted(name.replace("_", "-") for name in modules if not name.startswith("_"))


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in names():
        sys.stderr.write(f"usage: python -m benchmarks {{{','.join(names())}}} …\n")
        return 2
    benchmark = import_module(f"benchmarks.{argv[0].replace('-', '_')}")
    return int(benchmark.main(argv[1:]) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
