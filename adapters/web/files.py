"""What members attach, on disk: one file each under a name of ours, beside the database.

A file is served to members of the room only, and always as a download unless it is a picture or a sound of
a kind that browsers show without running anything.
"""

from __future__ import annotations

import contextlib
import mimetypes
import re
import secrets
import shutil
import time
import wave
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from bot.event import Attachment, AttachmentKind

INLINE_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".webm": "audio/webm",
    ".m4a": "audio/mp4",
}
"""By ending: shown in the page. Everything else is a download without a type."""

STRAY_AFTER_S = 3600.0

_REF = re.compile(r"^[0-9a-f]{32}(\.[a-z0-9]{1,8})?$")


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of the room; ``ref`` is its name on disk."""

    ref: str
    name: str
    kind: AttachmentKind
    media_type: str
    size_bytes: int
    duration_s: float | None = None

    @property
    def attachment(self) -> Attachment:
        return Attachment(self.kind, self.ref, self.name, self.media_type, self.size_bytes, self.duration_s)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Files:
    """Every method touches the disk: call them off the event loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, source: Path, name: str, kind: AttachmentKind | None = None) -> KeptFile:
        """Copy ``source`` into the room's files under a name that cannot be guessed. Raises ``OSError``."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shown = tidy_file_name(name)
        ending = PurePath(shown).suffix.lower()
        ref = secrets.token_hex(16) + (ending if re.fullmatch(r"\.[a-z0-9]{1,8}", ending) else "")
        target = self.folder / ref
        shutil.copyfile(source, target)
        media_type = INLINE_TYPES.get(ending) or mimetypes.guess_type(shown)[0] or "application/octet-stream"
        return KeptFile(
            ref, shown, kind or _kind(media_type), media_type, target.stat().st_size, _duration_s(target, ending)
        )

    def path(self, ref: str) -> Path | None:
        """Where the file lies, or None for a name that is not one of ours or a file that is gone."""
        if not _REF.match(ref):
            return None
        path = self.folder / ref
        return path if path.is_file() else None

    def drop(self, refs: Iterable[str]) -> None:
        for ref in refs:
            if _REF.match(ref):
                with contextlib.suppress(FileNotFoundError):
                    (self.folder / ref).unlink()

    def drop_stray(self, wanted: Collection[str], older_than_s: float = STRAY_AFTER_S) -> int:
        """Delete what is not ``wanted`` and not young; returns how many files."""
        if not self.folder.is_dir():
            return 0
        oldest = time.time() - older_than_s
        strays = [
            path.name for path in self.folder.iterdir() if path.name not in wanted and path.stat().st_mtime < oldest
        ]
        self.drop(strays)
        return len(strays)

    def copy_to(self, ref: str, into: Path, name: str) -> Path:
        """Raises ``FileNotFoundError`` when it is gone."""
        source = self.path(ref)
        if source is None:
            raise FileNotFoundError(ref)
        into.mkdir(parents=True, exist_ok=True)
        target = into / tidy_file_name(name)
        shutil.copyfile(source, target)
        return target


def tidy_file_name(name: str) -> str:
    """A file's name without folders, control characters and excess; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    tidy = re.sub(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", "", last).strip(". ")
    if len(tidy) > 100:
        ending = PurePath(tidy).suffix[:12]
        tidy = tidy[: 100 - len(ending)] + ending
    return tidy or "file"


def _kind(media_type: str) -> AttachmentKind:
    if media_type.startswith("audio/"):
        return AttachmentKind.VOICE
    return AttachmentKind.IMAGE if media_type.startswith("image/") else AttachmentKind.FILE


def _duration_s(path: Path, ending: str) -> float | None:
    if ending != ".wav":
        return None
    try:
        with wave.open(str(path)) as sound:
            return float(round(sound.getnframes() / sound.getframerate(), 2))
    except (wave.Error, EOFError, ZeroDivisionError):
        return None
