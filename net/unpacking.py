"""Unpacking what a server packed, a bounded piece at a time."""

from __future__ import annotations

import zlib


class UnpackFailed(Exception):
    pass


class Unpacker:
    """For one body. ``encoding``: its Content-Encoding. Gives at most ``max_bytes + 1`` bytes in all, so that one
    byte too many shows, whatever is packed inside."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        names = [name for part in encoding.split(",") if (name := part.strip().casefold()) not in ("", "identity")]
        if len(names) > 1 or any(name not in ("gzip", "x-gzip", "deflate") for name in names):
            raise UnpackFailed(f"packed as {encoding[:40]}")
        self._name = names[0] if names else ""
        self._left = max_bytes + 1
        self._inflate: zlib._Decompress | None = None

    def unpack(self, chunk: bytes) -> bytes:
        if not self._name:
            return chunk
        if self._inflate is None:
            if not chunk:
                return b""
            self._inflate = zlib.decompressobj(self._window(chunk))
        if self._inflate.eof or self._left <= 0:
            return b""  # what follows the packed body is nothing of it
        try:
            part = self._inflate.decompress(chunk, self._left)
        except zlib.error as error:
            raise UnpackFailed(str(error)) from None
        self._left -= len(part)
        return part

    def _window(self, chunk: bytes) -> int:
        """``deflate`` is meant with zlib's head, and sent without by some (RFC 9110, 8.4.1.2)."""
        if self._name != "deflate":
            return 16 + zlib.MAX_WBITS
        has_head = chunk[0] & 0x0F == 8 and (len(chunk) < 2 or (chunk[0] << 8 | chunk[1]) % 31 == 0)
        return zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS
