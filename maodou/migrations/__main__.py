"""``python -m maodou.migrations "what changed"`` writes the next revision, for a developer to read and mend."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.store import Store, StoreSettings
from maodou.database import upgrade, write_revision

if len(sys.argv) != 2:
    sys.exit('usage: python -m maodou.migrations "what changed"')
with TemporaryDirectory() as folder:
    store = Store.open(StoreSettings(f"sqlite:///{Path(folder) / 'empty.db'}"))
    try:
        upgrade(store)
        write_revision(store, sys.argv[1])
    finally:
        store.close()
