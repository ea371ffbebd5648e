"""A question to the documents of its room: completed from the conversation, and never from another room's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.decision import Reason
from bot.event import Addressed
from bot.ports import Knowledge, Question, Utterance, Verdict
from rag.completion import completed, instead, is_follow_up
from rag.indexes import Indexes
from rag.knowledge import MAX_CITATIONS, GatedKnowledge
from rag.library import Library
from rag.settings import KnowledgeSettings
from tests.rag.messages import CORPUS

LINUX = "# Install the kettle driver\n\n## On Linux\n\nOn Linux install the kettle driver with `apt install kettle`.\n"
INSTALL = {
    "linux.md": LINUX,
    "windows.md": "# Install the kettle driver\n\n## On Windows\n\nOn Windows run `kettle-setup.exe` to install it.\n",
    "zh.md": "# 安装水壶驱动\n\n## Linux\n\n在 Linux 上用 apt 安装水壶驱动。\n\n"
    "## Windows\n\n在 Windows 上运行安装程序来安装水壶驱动。\n",
}
LONG = LINUX + "The driver talks to the kettle by radio, heats the water and tells when it boils.\n" * 3
COPIES = {f"copy{number}.md": LONG for number in range(8)}


@pytest.fixture
def knowledge(
    library: Library, indexes: Indexes, settings: KnowledgeSettings, tmp_path: Path
) -> Iterator[GatedKnowledge]:
    for base, files in (("kettle", INSTALL), ("copies", COPIES)):
        (tmp_path / base).mkdir()
        for source, text in files.items():
            (tmp_path / base / source).write_text(text, encoding="utf-8")
        library.add(tmp_path / base, base)
    library.add(CORPUS, "projects")
    indexes.refresh()
    opened = GatedKnowledge(library.store, indexes, settings)
    yield opened
    opened.close()


def asked(
    text: str, *bases: str, addressed: Addressed = Addressed.NONE, earlier: tuple[Utterance, ...] = ()
) -> Question:
    async def read() -> tuple[Utterance, ...]:
        return earlier

    return Question(text, bases or ("projects",), addressed, earlier=read)


async def test_it_judges_with_the_passages_that_it_rests_on(knowledge: GatedKnowledge) -> None:
    port: Knowledge = knowledge
    judgement = await port.judge(asked("mmdeploy 支持哪些推理后端？"))
    assert (judgement.verdict, judgement.reason) == (Verdict.ANSWER, Reason.FROM_DOCUMENTS)
    assert judgement.score > 0.5
    assert judgement.passages[0].source == "mmdeploy/README_zh.md"
    assert judgement.passages[0].heading == "MMDeploy › 支持的推理后端"
    assert 1 < len(judgement.passages) <= MAX_CITATIONS


async def test_the_passages_are_there_whatever_the_verdict(knowledge: GatedKnowledge) -> None:
    judgement = await knowledge.judge(asked("今天 mmpose 的人都去哪了"))
    assert judgement.verdict is Verdict.SILENT
    assert judgement.passages


async def test_to_the_addressed_it_always_has_a_word(knowledge: GatedKnowledge) -> None:
    for text, verdict in (("今天中午吃什么", Verdict.NOTHING_FOUND), ("mmpose 怎么安装", Verdict.ANSWER)):
        judgement = await knowledge.judge(asked(text, addressed=Addressed.MENTION))
        assert judgement.verdict is verdict


async def test_a_room_reads_its_own_bases_and_no_other(knowledge: GatedKnowledge) -> None:
    question = asked("How do I install the kettle driver on Linux?", "kettle")
    assert (await knowledge.judge(question)).verdict is Verdict.ANSWER
    elsewhere = await knowledge.judge(replace(question, bases=("projects",)))
    assert elsewhere.verdict is Verdict.SILENT
    assert {passage.base for passage in elsewhere.passages} <= {"projects"}
    both = await knowledge.judge(replace(question, bases=("projects", "kettle")))
    assert both.verdict is Verdict.ANSWER
    assert both.passages[0].base == "kettle"
    nothing = await knowledge.judge(replace(question, bases=()))
    assert (nothing.reason, nothing.passages) == (Reason.NO_DOCUMENTS, ())


async def test_copies_of_a_page_are_cited_once(knowledge: GatedKnowledge) -> None:
    judgement = await knowledge.judge(asked("How do I install the kettle driver on Linux?", "copies"))
    assert judgement.verdict is Verdict.ANSWER
    assert len(judgement.passages) == 1


# ── follow-ups ───────────────────────────────────────────────────────────────────────────────────────────

ON_LINUX = Utterance("ann", "How do I install the kettle driver on Linux?")
LINUX_ZH = Utterance("小红", "Linux 上怎么安装水壶驱动？")
OURS = Utterance("maodou", "On Linux install the kettle driver with `apt install kettle`. [1]", ours=True)


@pytest.mark.parametrize(
    ("earlier", "text", "source"),
    [
        ((ON_LINUX, OURS), "And on Windows?", "windows.md"),
        ((ON_LINUX, OURS), "what about Windows?", "windows.md"),
        ((LINUX_ZH, OURS), "那 Windows 上呢？", "zh.md"),
        ((LINUX_ZH, Utterance("小明", "哈哈哈"), Utterance("小红", "谢谢")), "Windows 呢", "zh.md"),
    ],
)
async def test_a_follow_up_is_completed_from_the_question_before_it(
    knowledge: GatedKnowledge, earlier: tuple[Utterance, ...], text: str, source: str
) -> None:
    judgement = await knowledge.judge(asked(text, "kettle", addressed=Addressed.REPLY, earlier=earlier))
    assert judgement.verdict is Verdict.ANSWER
    assert source in [passage.source for passage in judgement.passages[:2]]
    alone = await knowledge.judge(asked(text, "kettle", addressed=Addressed.REPLY))
    assert alone.score < judgement.score


async def test_a_question_that_stands_alone_does_not_read_the_room(knowledge: GatedKnowledge) -> None:
    async def must_not() -> tuple[Utterance, ...]:
        raise AssertionError("it asked for what was said before")

    question = replace(asked("How do I install the kettle driver on Linux?", "kettle"), earlier=must_not)
    assert (await knowledge.judge(question)).verdict is Verdict.ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "那 Windows 上呢？",
        "ncnn 呢",
        "那它支持量化吗",
        "还有别的办法吗",
        "And on Windows?",
        "what about TensorRT",
        "does it support int8 too?",
        "is that possible on Jetson instead?",
    ],
)
def test_what_leans_on_the_question_before(text: str) -> None:
    assert is_follow_up(text)
    assert completed(text, (ON_LINUX,)) == f"{instead(ON_LINUX.text, text)}\n{text}"


@pytest.mark.parametrize(
    "text",
    [
        "mmdeploy 支持哪些推理后端？",
        "How do I install mmpose?",
        "为什么训练的时候 loss 一直不下降呢，学习率已经调到很小了",
        "today I installed mmdeploy on my Jetson and it reports an error about TensorRT",
    ],
)
def test_what_stands_alone(text: str) -> None:
    assert completed(text, (ON_LINUX,)) is None


def test_a_follow_up_leans_on_a_question_of_a_member_not_on_thanks_or_on_us() -> None:
    earlier = (ON_LINUX, OURS, Utterance("ann", "thanks a lot!"), Utterance("bob", "And on a Mac?"))
    assert completed("and on Windows?", earlier) == f"{ON_LINUX.text.replace('Linux', 'Windows')}\nand on Windows?"
    assert completed("and on Windows?", (OURS, Utterance("ann", "thanks!"))) is None
    assert completed("and on Windows?", ()) is None
