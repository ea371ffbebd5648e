"""How the scripted platform and its adapter talk: one JSON object a line, over a loopback socket.

Two connections, as on real platforms: one for events and their acknowledgements, one for calls.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

Frame = dict[str, Any]


def send_frame(writer: asyncio.StreamWriter, frame: Frame) -> None:
    """Written at once: a process that is killed after this call has sent the frame."""
    writer.write(json.dumps(frame, ensure_ascii=False).encode() + b"\n")


async def receive_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; None when the other side is gone, also in the middle of a line."""
    try:
        line = await reader.readline()
    except (ConnectionError, ValueError):
        return None
    if not line.endswith(b"\n"):
        return None
    frame: Frame = json.loads(line)
    return frame
