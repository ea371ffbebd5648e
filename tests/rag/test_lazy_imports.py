"""LlamaIndex, scikit-learn and what they drag in cost seconds: words alone must not load them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

HEAVY = ("llama_index", "sklearn", "scipy", "numba", "bm25s", "openai", "httpx", "torch")

SESSION = """
import sys, tempfile
from pathlib import Path
from bot.store import Store, StoreSettings, metadata
from rag.indexes import Indexes
from rag.library import Library
from rag.retrieve import Retriever
from rag.settings import KnowledgeSettings
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "a.md").write_text("# Beans\\n\\nBeans grow.")
    store = Store.open(StoreSettings(f"sqlite:///{folder}/a.db"))
    metadata.create_all(store.engine)
    settings = KnowledgeSettings()
    Library(store, settings).add(Path(folder, "a.md"), "pods")
    indexes = Indexes(store, settings, Path(folder, "index"))
    indexes.open()
    assert Retriever(store, indexes, settings).search("beans", ["pods"])
    store.close()
"""


def loaded_by(session: str) -> set[str]:
    code = session + "\nimport sys\nprint(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    return set(run.stdout.splitlines()[-1].split())


def test_words_alone_load_nothing_heavy() -> None:
    assert loaded_by(SESSION) & set(HEAVY) == set()


def test_this_test_would_notice() -> None:
    assert "httpx" in loaded_by(SESSION + "\nimport httpx")
