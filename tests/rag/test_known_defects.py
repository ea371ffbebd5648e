"""Fifteen ways in which an assistant of this kind has failed its users, as read in the source of one
(github.com/InternLM/HuixiangDou), each named by what a user sees, with the tests here that would see it.

What a test of another file covers is pointed at, and the pointer is checked; what none covered stands below.
"""

from __future__ import annotations

import ast
import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from bot.decision import Reason
from bot.errors import ModelError
from bot.event import Addressed
from bot.ports import Question, Verdict
from bot.store import Store
from llm.client import ModelClient
from llm.settings import ModelSettings
from maodou.config import Settings
from maodou.documents import completer_of, judge_of
from rag import meanings
from rag.completion import whole
from rag.gate.features import Floats
from rag.indexes import Indexes
from rag.knowledge import GatedKnowledge
from rag.library import Library
from rag.settings import KnowledgeSettings
from rag.tables import chunks, vectors

pytestmark = pytest.mark.sqlite_alone

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = "adapters bot finetune_xtuner asr_tts llm maodou moderation net rag recommender search benchmarks".split()  # noqa: SIM905

DEFECTS = {
    "a chatty judge's 8/10 counts as 810, and everything passes": (
        "tests/rag/test_model_in_the_gate.py::test_whatever_is_not_the_form_is_silence",
    ),
    "when a check fails, the bot says what the check was there to hold back": (
        "tests/rag/test_model_in_the_gate.py::test_a_failure_is_silence_and_to_the_addressed_what_the_gate_said",
        "tests/rag/test_model_answers.py::test_when_it_fails_amid_the_answer_what_was_whole_stays",
    ),
    "a part is configured and silently does nothing, since nobody awaited it": (
        "tests/rag/test_known_defects.py::test_a_coroutine_that_nobody_awaits_ends_the_tests",
    ),
    "a setting switches on what it should switch off": (
        "tests/rag/test_known_defects.py::test_a_switch_does_what_it_says",
    ),
    "nothing is found, and instead of an answer there is an error": (
        "tests/rag/test_known_defects.py::test_an_empty_base_is_a_plain_answer",
    ),
    "the way in by a program never answers": ("tests/maodou/test_kb.py::test_what_is_not_there_is_said",),
    "on Feishu it never answers at all": (
        "tests/adapters/feishu/test_feishu_conversation.py::test_a_mention_is_answered_once_as_a_reply",
    ),
    "documents uploaded in the browser are never read": (
        "tests/maodou/test_desk.py::test_uploaded_files_become_documents_and_are_kept",
    ),
    "the passage that is cited is not the one that was found": (
        "tests/rag/test_known_defects.py::test_each_vector_is_of_its_own_text_whatever_failed_on_the_way",
    ),
    "question-answer pairs from JSON cannot be read": (
        "tests/rag/test_readers_pairs.py::test_pairs_in_json_are_read_in_their_usual_forms",
    ),
    "“and on Windows?” is answered as if nothing had been said before": (
        "tests/rag/test_completion.py::test_what_leans_on_a_question_is_joined_to_it",
        "tests/rag/test_model_in_the_gate.py::test_the_models_question_is_taken_where_it_is_made_of_what_was_said",
    ),
    "a file's name, an address or an index file takes the machine over": (
        "tests/maodou/test_desk.py::test_no_name_leads_out_of_the_folder",
        "tests/rag/test_uploads.py::test_a_name_is_a_name_and_no_path",
        "tests/rag/test_git.py::test_addresses_that_are_not_asked",
        "tests/rag/test_git.py::test_git_dials_where_it_was_told_and_nowhere_else",
        "tests/rag/test_known_defects.py::test_nothing_is_unpickled_and_no_shell_reads_a_text",
    ),
    "after sixteen errors of the model's server the bot hangs for good": (
        "tests/llm/test_client.py::test_a_cancelled_call_counts_as_nobodys_failure",
        "tests/llm/test_client.py::test_connections_are_kept",
        "tests/rag/test_known_defects.py::test_thirty_failures_hold_nobody_up",
    ),
    "one changed file, and everything is read and paid for again": (
        "tests/rag/test_library.py::test_a_changed_file_is_read_again_and_no_other",
        "tests/rag/test_indexes.py::test_the_next_start_reads_only_what_changed",
        "tests/rag/test_embedding.py::test_only_new_texts_are_embedded",
    ),
    "of two files with long paths one is missing": (
        "tests/rag/test_known_defects.py::test_files_whose_long_paths_end_alike_are_two_documents",
    ),
}


def test_every_one_of_the_fifteen_has_its_test() -> None:
    assert len(DEFECTS) == 15
    for pointers in DEFECTS.values():
        for pointer in pointers:
            path, _, name = pointer.partition("::")
            tree = ast.parse((PROJECT / path).read_text(encoding="utf-8"))
            named = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert name in named, pointer


def test_a_coroutine_that_nobody_awaits_ends_the_tests() -> None:
    options = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert options["filterwarnings"][0] == "error", "“was never awaited” is a warning"

    async def forgotten() -> None: ...

    with pytest.warns(RuntimeWarning, match="never awaited"):
        forgotten()  # type: ignore[unused-coroutine]


@pytest.mark.parametrize("on", [True, False])
def test_a_switch_does_what_it_says(on: bool) -> None:
    told = {"judge": {"enabled": on}, "completion": {"enabled": on}}
    settings = Settings.model_validate({"knowledge": told})
    model = ModelClient(ModelSettings.model_validate({"endpoints": [{"url": "http://127.0.0.1:9/v1", "model": "m"}]}))
    assert (judge_of(settings, model) is not None) is on
    assert (completer_of(settings, model) is not whole) is on


@pytest.mark.may_block("an index is made from the test itself")
@pytest.mark.parametrize(
    ("addressed", "verdict"), [(Addressed.NONE, Verdict.SILENT), (Addressed.MENTION, Verdict.NOTHING_FOUND)]
)
async def test_an_empty_base_is_a_plain_answer(
    store: Store, library: Library, indexes: Indexes, tmp_path: Path, addressed: Addressed, verdict: Verdict
) -> None:
    (tmp_path / "empty").mkdir()
    library.add(tmp_path / "empty", "pods")
    indexes.refresh()
    knowledge = GatedKnowledge(store, indexes, KnowledgeSettings())
    for bases in (("pods",), (), ("nowhere",)):
        judgement = await knowledge.judge(Question("How do I install it?", bases, addressed))
        assert (judgement.verdict, judgement.reason) == (verdict, Reason.NO_DOCUMENTS)
        assert judgement.passages == ()
    knowledge.close()


class ByHash:
    """An embedding that says which text a vector is of, and fails where it is told to."""

    key = "by-hash"
    batch_texts = 3

    def __init__(self) -> None:
        self.calls = 0
        self.fails_at = 2

    def passages(self, texts: Sequence[str]) -> Floats:
        self.calls += 1
        if self.calls == self.fails_at:
            raise ModelError("away")
        return np.stack([of(text) for text in texts])

    def query(self, text: str) -> Floats:
        return of(text)


def of(text: str) -> Floats:
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    made: Floats = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
    return made


def test_each_vector_is_of_its_own_text_whatever_failed_on_the_way(
    store: Store, settings: KnowledgeSettings, folder: Path
) -> None:
    (folder / "pairs.json").write_text(
        '[{"question": "When?", "answer": "In May."}, {"question": "How?", "answer": "x"}]'
    )
    embedder = ByHash()
    library = Library(store, settings, embedder)  # type: ignore[arg-type]
    assert library.add(folder, "pods").not_embedded == "away"
    library.add(folder, "pods")
    rows = store.read_now(
        lambda connection: connection.execute(
            select(chunks.c.heading, chunks.c.text, vectors.c.vector).join(vectors, vectors.c.hash == chunks.c.hash)
        ).all()
    )
    assert len(rows) == library.base("pods").chunks
    for row in rows:
        wanted = of(f"{row.heading}\n{row.text}".strip())
        assert np.allclose(meanings.from_bytes(row.vector), wanted / np.linalg.norm(wanted), atol=2e-3)


def test_nothing_is_unpickled_and_no_shell_reads_a_text() -> None:
    found: list[str] = []
    for package in PACKAGES:
        for path in sorted((PROJECT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                elif isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
                    names = (
                        [node.arg] if not (isinstance(node.value, ast.Constant) and node.value.value is False) else []
                    )
                elif isinstance(node, ast.Attribute) and node.attr in ("system", "popen"):
                    names = [f"os.{node.attr}"] if isinstance(node.value, ast.Name) and node.value.id == "os" else []
                bad = {
                    "pickle",
                    "dill",
                    "shelve",
                    "marshal",
                    "joblib",
                    "shell",
                    "allow_pickle",
                    "os.system",
                    "os.popen",
                }
                found += [f"{path.relative_to(PROJECT)}: {name}" for name in names if name in bad]
    assert found == []


async def test_thirty_failures_hold_nobody_up() -> None:
    settings = ModelSettings.model_validate(
        {"endpoints": [{"url": "http://127.0.0.1:9/v1", "model": "m"}], "timeout_s": 5}
    )
    client = ModelClient(settings, environ={})
    try:
        for _ in range(30):
            with pytest.raises(ModelError):
                await anext(client.complete([{"role": "user", "content": "x"}], max_tokens=5, timeout_s=2))
    finally:
        await client.aclose()


def test_files_whose_long_paths_end_alike_are_two_documents(library: Library, tmp_path: Path) -> None:
    tail = Path("documentation", "getting-started-with-the-project", "installation-on-your-own-machine", "readme.md")
    assert len(str(tail)) > 84
    for top in ("one", "two"):
        path = tmp_path / "docs" / top / tail
        path.parent.mkdir(parents=True)
        path.write_text(f"# {top}\n\nThe {top} text.\n")
    assert len(library.add(tmp_path / "docs", "pods").added) == 2
    assert len({document.source for document in library.list("pods")}) == 2
