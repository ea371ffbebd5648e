"""What set-up writes: a secret into ``.env``, a section into ``config.yaml``. Nothing else of either file changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import set_key
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from bot.errors import UsageError

PROJECT = Path(__file__).resolve().parent.parent
"""Where the project lies."""

OWNER_ONLY = 0o600
WIDEST_LINE = 4096
"""Lines are never folded: a file that people keep by hand stays as they wrote it."""


def named_config(path: Path | None) -> Path | None:
    """The file that somebody named: ``path``, or ``MAODOU_CONFIG``."""
    return path or (Path(os.environ["MAODOU_CONFIG"]) if os.environ.get("MAODOU_CONFIG") else None)


def config_path(path: Path | None) -> Path:
    """The file that settings are read from: the named one, ``config.yaml`` here, or else the one in the project's
    folder, so that a command given elsewhere works on the same installation. It need not be there."""
    if named := named_config(path):
        return named
    here, beside = Path("config.yaml"), PROJECT / "config.yaml"
    return beside if not here.exists() and beside.exists() else here


def keep_secret(config: Path, variable: str, value: str) -> Path:
    """Set ``variable`` in the ``.env`` beside ``config``, which nobody but its owner can read from then on; returns
    that file. Raises ``UsageError`` when it cannot be written."""
    file = config.parent / ".env"
    try:
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, OWNER_ONLY))
        file.chmod(OWNER_ONLY)  # before there is anything more to read in it
        set_key(file, variable, value)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from error
    return file


def configure_section(config: Path, section: str, values: Mapping[str, object]) -> bool:
    """Set ``values`` in a section of ``config``, made where it is missing; comments and order stay. Returns whether
    the file changed. Raises ``UsageError`` when it cannot be read or written."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDEST_LINE
    try:
        before = config.read_text("utf-8") if config.exists() else ""
        document = yaml.load(before)
        if document is None:
            document = CommentedMap()
        if section in document and all((document[section] or {}).get(key) == value for key, value in values.items()):
            return False
        if not document:  # nothing but comments, perhaps: ruamel would lose them
            document[section] = dict(values) or None
            after = before + ("" if before.endswith("\n") or not before else "\n") + _written(yaml, document)
        else:
            if document.get(section) is None:
                document[section] = CommentedMap(values) if values else None
            else:
                document[section].update(values)
            after = _written(yaml, document)
        replace_text(config, after)
    except OSError as error:
        raise UsageError(f"{config} cannot be written: {error.strerror}.") from error
    except (YAMLError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise UsageError(f"{config} cannot be changed by a program: {error}. Add `{section}:` by hand.") from error
    return True


def _written(yaml: YAML, document: CommentedMap) -> str:
    text = StringIO()
    yaml.dump(document, text)
    return text.getvalue()


def replace_text(file: Path, text: str) -> None:
    """All of it or nothing: a file that is half written would keep the bot from starting."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, "utf-8")
    if file.exists():
        beside.chmod(file.stat().st_mode & 0o777)
    beside.replace(file)
