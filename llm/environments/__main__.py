"""``python -m llm.environments make NAME FOLDER``: an environment, made before it is needed.
``python -m llm.environments lock NAME… --uv PROGRAM``: the pins of its lock, resolved anew; ``make lock`` calls it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from bot.errors import MaodouError
from llm.environments import ensure, names, read
from llm.environments.recipe import FOLDER

OLDEST_PYTHON = "3.11"


def lock(name: str, uv: str) -> int:
    """Write the lock anew under the same wishes; returns how many pins it has."""
    recipe = read(name)
    wishes = [line for line in recipe.text.splitlines() if line.startswith("#")]
    version = OLDEST_PYTHON if OLDEST_PYTHON in recipe.pythons else recipe.pythons[0]
    command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", version, "--no-annotate"]
    command += ["--no-header", "--no-emit-index-url", "--no-emit-find-links", "-"]
    done = subprocess.run(command, input="\n".join(recipe.requires), capture_output=True, text=True, check=False)
    if done.returncode:
        raise MaodouError(f"{name}: {done.stderr.strip()}")
    (FOLDER / f"{name}.txt").write_text("\n".join([*wishes, done.stdout.strip(), ""]), "utf-8")
    return len(done.stdout.split("\n")) - 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m llm.environments")
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make", help="make an environment")
    making.add_argument("name", choices=names())
    making.add_argument("folder", type=Path)
    locking = verbs.add_parser("lock", help="resolve locks anew")
    locking.add_argument("names", nargs="*", default=names())
    locking.add_argument("--uv", required=True)
    asked = parser.parse_args(arguments)
    try:
        if asked.verb == "make":
            sys.stdout.write(f"{ensure(asked.name, asked.folder.absolute()).folder}\n")
        else:
            for name in asked.names:
                sys.stdout.write(f"{name}.txt: {lock(name, asked.uv)} packages\n")
    except MaodouError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
