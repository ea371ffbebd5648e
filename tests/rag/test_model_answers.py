"""Answers by a model: what is shown, with which citations, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.decision import Reason
from bot.errors import ModelError
from bot.event import Addressed
from bot.ports import Judgement, Passage, Question, Sentence, Utterance, Verdict
from bot.store import Store
from bot.testing import Bot
from rag.extractive import ExtractiveAnswerer
from rag.model_answers import ModelAnswerer
from tests.clock import ManualClock
from tests.rag.model_doubles import ScriptedModel

PIP = Passage(
    "pods",
    "docs/install.md",
    "Install › With pip",
    "Run `pip install doujia` in a fresh environment. Python 3.9 or newer is required. Windows is not supported.",
    0.9,
    1,
)
SOURCE = Passage(
    "pods",
    "docs/source.md",
    "Install › From source",
    "Clone the repository and run:\n\n```bash\ncmake -B build\ncmake --build build\n```\n\n"
    "The build takes about five minutes. See https://doujia.example/build for details.",
    0.8,
    2,
)
FAQ = Passage(
    "pods",
    "docs/faq.md",
    "常见问题 › 显存不够怎么办",
    "减小 `batch_size`，或者打开 `--half`。它会说“显存不足，已自动降级”。",
    0.7,
    3,
)
ALL = (PIP, SOURCE, FAQ)


def asked(text: str = "How do I install Doujia?", language: str = "en") -> Question:
    return Question(text, ("pods",), Addressed.MENTION, language)


async def written(
    model: ScriptedModel, passages: Sequence[Passage] = ALL, question: Question | None = None
) -> list[Sentence]:
    judgement = Judgement(Verdict.ANSWER, Reason.FROM_DOCUMENTS, 0.9, tuple(passages))
    answerer = ModelAnswerer(model, ExtractiveAnswerer())
    return [sentence async for sentence in answerer.answer(question or asked(), judgement)]


async def shown(says: str, passages: Sequence[Passage] = ALL, question: Question | None = None) -> str:
    return "".join(sentence.text for sentence in await written(ScriptedModel(says), passages, question))


async def holds(says: str, question: Question | None = None) -> bool:
    """Whether anything that the model wrote was shown, beside one sentence that always is."""
    kept = "Python 3.9 or newer is required. [1]"
    text = await shown(f"{kept}\n\n{says}", question=question)
    assert text.startswith(kept)
    return text != kept


# ── what holds is shown ──────────────────────────────────────────────────────────────────────────────────


async def test_a_sentence_is_shown_with_the_citation_that_it_claims() -> None:
    (sentence,) = await written(ScriptedModel("Install it with `pip install doujia` in a fresh environment. [1]"))
    assert sentence.text == "Install it with `pip install doujia` in a fresh environment. [1]"
    assert [(each.number, each.source, each.heading) for each in sentence.citations] == [
        (1, "docs/install.md", "Install › With pip")
    ]


async def test_sentences_are_numbered_as_they_appear_and_keep_their_paragraphs() -> None:
    text = await shown(
        "The build takes about 5 minutes [2]. Python 3.9 or newer is required [1].\n\n减小 `batch_size` [3]。"
    )
    assert (
        text == "The build takes about 5 minutes. [1] Python 3.9 or newer is required. [2]\n\n减小 `batch_size`。 [3]"
    )


async def test_the_first_sentence_is_shown_before_the_last_is_written() -> None:
    model = ScriptedModel("Python 3.9 or newer is required [1]. " + "The build takes about five minutes [2]. " * 5)
    judgement = Judgement(Verdict.ANSWER, Reason.FROM_DOCUMENTS, 0.9, ALL)
    sentences = ModelAnswerer(model, ExtractiveAnswerer()).answer(asked(), judgement)
    first = await anext(aiter(sentences))
    assert "3.9" in first.text
    assert len("".join(model.given)) < 60
    await sentences.aclose()  # type: ignore[attr-defined]
    assert model.closed


async def test_lists_and_what_leads_over_to_them() -> None:
    text = await shown(
        "To do this, follow these steps:\n\n1. Run `pip install doujia` [1]\n"
        "2. Buy a licence [1]\n3. Python 3.9 or newer is required [1]"
    )
    assert (
        text
        == "To do this, follow these steps:\n\n1. Run `pip install doujia` [1]\n3. Python 3.9 or newer is required [1]"
    )


async def test_what_leads_nowhere_is_not_shown() -> None:
    assert (
        await shown("Python 3.9 or newer is required [1].\n\nFollow these steps:\n\n- Buy a licence [1]")
        == "Python 3.9 or newer is required. [1]"
    )


async def test_a_sentence_that_cites_nothing_is_given_the_citation_that_it_should_have() -> None:
    (sentence,) = await written(ScriptedModel("Python 3.9 or newer is required."))
    assert sentence.text.endswith("[1]")
    assert sentence.citations[0].source == "docs/install.md"


async def test_of_two_citations_the_one_that_does_not_say_it_goes() -> None:
    (sentence,) = await written(ScriptedModel("Python 3.9 or newer is required [1][3]."))
    assert [each.source for each in sentence.citations] == ["docs/install.md"]


async def test_code_that_stands_in_a_document_is_shown_with_its_source() -> None:
    block, *_ = await written(ScriptedModel("```bash\n$ cmake -B build\n# then\n$  cmake --build build\n```"))
    assert block.text == "```bash\n$ cmake -B build\n$  cmake --build build\n```\n\n[1]"
    assert block.citations[0].source == "docs/source.md"


async def test_a_link_that_stands_in_the_cited_passage_is_shown() -> None:
    question = asked("How do I build Doujia?")
    assert "https://doujia.example/build" in await shown(
        "See https://doujia.example/build for details of the build [2].", question=question
    )


async def test_a_quotation_that_is_one_is_shown() -> None:
    assert await holds("它会说“显存不足，已自动降级” [3]。", asked("显存不够怎么办？", "zh"))


# ── what does not is not ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "says",
    [
        "Python 3.9 or newer is required [4].",  # there is no fourth passage
        "Python 3.9 or newer is required [0].",
        "Python 3.9 or newer is required [3].",  # the third says nothing of the kind
        "Python 3.7 or newer is required [1].",
        "Windows is supported [1].",
        "Python 3.9 or newer is not required [1].",
        "Run `pip install doujia-nightly` in a fresh environment [1].",
        "Run `conda install doujia` in a fresh environment [1].",
        "Run `pip uninstall` in a fresh environment [1].",
        "It says “run pip in any old environment” [1].",
        "See https://doujia.example/buil for details [2].",
        "See https://doujia.example/build/../admin for details [2].",
        "See [the details](https://evil.example) [2].",
        "![details](https://doujia.example/build.png) [2]",
        "The moon is made of green cheese.",
        "Yes.",
        "# Python 3.9 or newer is required [1]",
        "```\nrm -rf build\n```",
        "```bash\ncmake -B build --fresh\n```",
        "```bash\ncmake --build build\ncmake -B build\n```",
        "```\ncmake -B build",
        "| Python | Version |\n|---|---|\n| needed | 3.7 | [1]",
        "<b>Python 3.9 or newer is required</b> [1].",
        "[1]: https://evil.example",
    ],
)  # fmt: skip
async def test_a_sentence_that_fails_is_not_shown(says: str) -> None:
    assert not await holds(says)


async def test_when_nothing_holds_the_answer_is_the_documents_own_words() -> None:
    text = await shown("The moon is made of cheese [1].")
    assert "pip install doujia" in text
    assert "cheese" not in text


async def test_when_the_model_fails_so_it_is_too_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    sentences = await written(ScriptedModel(fails=ModelError("out of memory")))
    assert "pip install doujia" in "".join(sentence.text for sentence in sentences)
    assert [record.levelname for record in caplog.records if "answers.model_failed" in record.message] == ["ERROR"]


async def test_when_it_fails_amid_the_answer_what_was_whole_stays() -> None:
    model = ScriptedModel("Python 3.9 or newer is required [1]. Windows is", fails=ModelError("cut"))
    assert "".join(sentence.text for sentence in await written(model)) == "Python 3.9 or newer is required [1]".replace(
        " [1]", ". [1]"
    )


@pytest.mark.parametrize(
    "says",
    [
        "{nothing}",
        "{nothing}.",
        "文档中没有提到这个问题的答案。",
        "The documents do not mention this.",
        "I could not find this in the documentation.",
    ],
)
async def test_not_in_the_documents_is_said_so(says: str) -> None:
    class Candid(ScriptedModel):
        def write(self, messages: object) -> str:
            system = messages[0]["content"]  # type: ignore[index]
            return says.replace(
                "{nothing}",
                next(word.strip("，, ") for word in system.split() if word.startswith("NONE-")).split("，")[0],
            )

    assert await written(Candid()) == []


async def test_without_a_passage_of_the_rooms_own_bases_nothing_is_asked_or_said() -> None:
    model = ScriptedModel("Python 3.9 or newer is required [1].")
    assert await written(model, [replace(PIP, base="theirs")]) == []
    assert model.asked == []


# ── what the model is told ───────────────────────────────────────────────────────────────────────────────


async def test_it_is_told_to_answer_in_the_askers_language() -> None:
    model = ScriptedModel("x")
    await written(model, question=asked("怎么安装？", "zh"))
    assert "用中文回答" in model.asked[0][0]["content"]
    await written(model)
    assert "Answer in English" in model.asked[1][0]["content"]


async def test_a_follow_up_is_asked_with_the_question_before_it() -> None:
    async def earlier() -> tuple[Utterance, ...]:
        return (Utterance("anna", "怎么安装豆荚？"),)

    model = ScriptedModel("x")
    await written(model, question=replace(asked("那 Windows 上呢？", "zh"), earlier=earlier))
    assert "怎么安装豆荚" in model.prompt


async def test_one_document_is_at_most_two_of_the_passages() -> None:
    many = [replace(PIP, text=f"{PIP.text} Part {n}.", chunk_id=n) for n in range(5)]
    model = ScriptedModel("x")
    await written(model, [*many, SOURCE])
    assert [f"Part {n}" in model.prompt for n in range(5)] == [True, True, False, False, False]
    assert "cmake" in model.prompt


async def test_a_context_too_small_for_a_passage_asks_nothing() -> None:
    model = ScriptedModel("x", context_tokens=1_200)
    assert "pip install" in "".join(sentence.text for sentence in await written(model))
    assert model.asked == []


# ── in a room ────────────────────────────────────────────────────────────────────────────────────────────


class KnowsTheDocuments:
    async def judge(self, question: Question) -> Judgement:
        return Judgement(
            Verdict.ANSWER, Reason.FROM_DOCUMENTS, 0.9, tuple(replace(each, base=question.bases[0]) for each in ALL)
        )


async def test_a_room_gets_the_checked_answer_with_its_sources(store: Store, clock: ManualClock) -> None:
    model = ScriptedModel(
        "Install it with `pip install doujia` [1]. Windows is supported [1]. The build takes about five minutes [2]."
    )
    answerer = ModelAnswerer(model, ExtractiveAnswerer())
    async with Bot(store, clock, knowledge=KnowsTheDocuments(), answerer=answerer) as bot:
        room = bot.room()
        await room.says("@maodou How do I install Doujia?")
        answer = room.heard("pip install doujia")
    assert "Windows" not in answer
    assert "[1] docs/install.md" in answer
    assert "[2] docs/source.md" in answer
