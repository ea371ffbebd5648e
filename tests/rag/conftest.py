"""A small community's documents, on disk and in a base, for every test about knowledge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.store import Store
from maodou.config_file import PROJECT
from maodou.documents import add_sample
from rag.indexes import Indexes
from rag.knowledge import GatedKnowledge
from rag.library import Library
from rag.retrieve import Retriever
from rag.settings import KnowledgeSettings

FILES = {
    "README.md": (
        "# 豆荚\n\n豆荚是一个把模型部署到小设备上的工具。\n\n"
        "## 支持的后端\n\n支持 ncnn、TensorRT 和 ONNX Runtime 三种推理后端。\n"
    ),
    "docs/en/install.md": (
        "# Install\n\n## With pip\n\nRun `pip install doujia` in a fresh environment.\n\n"
        "## From source\n\nClone the repository and run:\n\n```bash\ncmake -B build\ncmake --build build\n```\n"
    ),
    "docs/zh/faq.md": (
        "# 常见问题\n\n## 显存不够怎么办\n\n减小 `batch_size`，或者打开 `--half`。\n\n"
        "## No module named 'doujia.\\_ext'\n\n重新编译扩展：`python setup.py develop`。\n"
    ),
    "notes.txt": "The demo lives in tools/topdown_demo_with_mmdet.py and reads a video.\n",
    "page.html": "<html><title>Release</title><body><h1>Release 1.2.3</h1><p>Faster export.</p></body></html>",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "documents"
    for source, text in FILES.items():
        path = root / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def settings() -> KnowledgeSettings:
    return KnowledgeSettings(poll_s=0.05)


@pytest.fixture
def library(store: Store, settings: KnowledgeSettings) -> Library:
    return Library(store, settings)


@pytest.fixture
def indexes(store: Store, settings: KnowledgeSettings, tmp_path: Path) -> Iterator[Indexes]:
    opened = Indexes(store, settings, tmp_path / "index")
    yield opened
    opened.close()


@pytest.fixture
def retriever(store: Store, indexes: Indexes, settings: KnowledgeSettings) -> Retriever:
    return Retriever(store, indexes, settings)


@pytest.fixture
def sample_knowledge(store: Store, tmp_path: Path) -> Iterator[GatedKnowledge]:
    """The sample knowledge base, as the first ``maodou up`` makes it."""
    settings = KnowledgeSettings()
    assert add_sample(Library(store, settings), PROJECT) is None
    indexes = Indexes(store, settings, tmp_path / "index")
    indexes.open()
    opened = GatedKnowledge(store, indexes, settings)
    yield opened
    opened.close()
    indexes.close()


@pytest.fixture
def sources(retriever: Retriever, indexes: Indexes) -> Callable[..., list[str]]:
    """The sources that a question finds in the base ``pods``, best first, by an index that is up to date."""

    def find(question: str, limit: int = 5) -> list[str]:
        indexes.refresh()
        return [hit.passage.source for hit in retriever.search(question, ["pods"], limit)]

    return find
