"""The operator's console: knowledge, and rooms."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI

from adapters.web.site import Site


def mount_console(app: FastAPI, site: Site, versions: Mapping[str, str]) -> None:
    return None
