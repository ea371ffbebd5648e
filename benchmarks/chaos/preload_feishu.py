"""Imported once by the server that lives are forked from: lark-oapi costs seconds, and each life would pay them."""

from __future__ import annotations

import adapters.feishu.adapter as adapter
from adapters.feishu.library import load

for module in ("lark_oapi", "lark_oapi.ws.client", "lark_oapi.ws.pb.pbbp2_pb2"):
    load(module)

__all__ = ("adapter",)
