"""Every table there is, in one place: for migrations, for the doctor and for tests.

A feature declares its tables in its own ``tables.py``; here it is only named. Importing those modules is
cheap: they need nothing but SQLAlchemy.
"""

from __future__ import annotations

import importlib

from sqlalchemy import MetaData

FEATURES = ("bot", "rag", "recommender", "adapters.discord", "adapters.web")
"""The packages with a ``tables.py``; a test compares this with the folders."""


def all_tables() -> MetaData:
    for feature in FEATURES:
        importlib.import_module(f"{feature}.tables")
    from bot.store import metadata

    return metadata
