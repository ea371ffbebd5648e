"""Answers without a model: the documents' own sentences, whole, cited, and nothing that is not in them."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.decision import Reason
from bot.ports import Answerer, Judgement, Passage, Question, Sentence, Utterance, Verdict
from rag.blocks import Kind, pieces
from rag.extractive import ALSO, MAX_CHARS, MAX_PIECE_CHARS, ExtractiveAnswerer, extract
from rag.markdown import plain_markdown

BACKENDS = Passage(
    "kb",
    "zh/backends.md",
    "部署 › 支持的后端",
    """## 支持的后端

[![badge](https://example.org/b.svg)](https://example.org)

<div align="center"><img src="logo.png"></div>

豆荚支持三种推理后端：

- ncnn，用在手机上
- TensorRT，用在 NVIDIA 显卡上，
  需要 CUDA 11 以上
- ONNX Runtime，用在 CPU 上

其他后端在计划之中。欢迎贡献代码。
""",
    0.9,
)
INSTALL = Passage(
    "kb",
    "en/install.md",
    "Install › From source",
    """Clone the repository first. Then build the extension:

```bash
cmake -B build

cmake --build build --parallel 4
```

The build takes e.g. ten minutes on a laptop. It needs CMake 3.20 or newer.
""",
    0.8,
)
VERSIONS = Passage(
    "kb",
    "en/versions.md",
    "Versions",
    """Which version goes with which:

| doujia | PyTorch | CUDA |
| --- | --- | --- |
| 1.2 | 2.1 | 12.1 |
| 1.1 | 2.0 | 11.8 |
| 1.0 | 1.13 | 11.7 |
""",
    0.7,
)


def told(question: str, *passages: Passage, language: str = "en") -> str:
    return "".join(sentence.text for sentence in extract(question, passages, language))


# ── what it picks ────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_comes_with_what_announces_it_and_with_its_source() -> None:
    answer = told("豆荚支持哪些推理后端？", BACKENDS, language="zh")
    assert answer.startswith("豆荚支持三种推理后端： [1]\n\n- ncnn，用在手机上\n- TensorRT")
    assert "- ONNX Runtime，用在 CPU 上 [1]" in answer
    assert "badge" not in answer
    assert "<div" not in answer


def test_code_is_shown_whole_with_the_sentence_before_it() -> None:
    answer = told("how do I build the extension from source", INSTALL)
    assert "Then build the extension: [1]" in answer
    assert "```bash\ncmake -B build\n\ncmake --build build --parallel 4\n```" in answer


def test_a_row_of_a_table_comes_with_its_head() -> None:
    answer = told("which PyTorch goes with doujia 1.1?", VERSIONS)
    assert "| doujia | PyTorch | CUDA |\n| --- | --- | --- |\n" in answer
    assert "| 1.1 | 2.0 | 11.8 |" in answer


def test_an_abbreviation_does_not_end_a_sentence() -> None:
    assert "The build takes e.g. ten minutes on a laptop." in told("how long does the build take on a laptop?", INSTALL)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_second_passage_is_introduced_in_the_questions_language(language: str) -> None:
    sentences = extract("ncnn 用在哪里，怎么 build the extension with CMake", (BACKENDS, INSTALL), language)
    introduced = ALSO.in_language(language, heading="支持的后端")
    assert [sentence.text.strip() for sentence in sentences if not sentence.citations] == [introduced]
    assert {citation.number: citation.source for sentence in sentences for citation in sentence.citations} == {
        1: "en/install.md",
        2: "zh/backends.md",
    }


@pytest.mark.parametrize("question", ["什么时候开会", "where is the canteen", "", "？？"])
def test_with_nothing_to_say_it_says_nothing(question: str) -> None:
    assert extract(question, (BACKENDS, INSTALL, VERSIONS), "zh") == []
    assert extract(question, (), "zh") == []


def test_an_answer_is_short() -> None:
    long = "\n\n".join(f"The kettle boils water in {number} minutes. " + "It whistles. " * 20 for number in range(30))
    answer = told("how long does the kettle boil water", Passage("kb", "a.md", "Kettle", long, 0.9))
    assert 0 < len(answer) <= MAX_CHARS + 60


def test_a_listing_too_long_to_read_is_not_shown() -> None:
    code = "Run the kettle:\n\n```\n" + "kettle --boil\n" * 200 + "```\n\nOr press the kettle's button.\n"
    answer = told("how to run the kettle", Passage("kb", "a.md", "Kettle", code, 0.9))
    assert "```" not in answer
    assert "press the kettle's button" in answer


def test_how_to_cite_a_work_is_no_answer() -> None:
    text = "The kettle of 2019 boils water.\n\n```bibtex\n@article{Kettle, title={Kettle boils water}}\n```\n"
    assert "@article" not in told("which kettle boils water", Passage("kb", "a.md", "Kettle", text, 0.9))


async def test_it_is_an_answerer_that_completes_a_follow_up() -> None:
    async def earlier() -> tuple[Utterance, ...]:
        return (Utterance("ann", "How do I build the extension?"),)

    answerer: Answerer = ExtractiveAnswerer()
    judgement = Judgement(Verdict.ANSWER, Reason.FROM_DOCUMENTS, 0.9, (INSTALL,))
    question = Question("and from source?", ("kb",), language="en", earlier=earlier)
    answer = "".join([sentence.text async for sentence in answerer.answer(question, judgement)])
    assert "cmake --build build" in answer


# ── what it never does ───────────────────────────────────────────────────────────────────────────────────

_SPOKEN = "kettle boil water build 水壶 烧水 安装 version 1.2 `kettle.py` [link](a.md) e.g. CUDA。 ok? 好！ a|b"
_WORDS = st.sampled_from(_SPOKEN.split())
_LINE = st.lists(_WORDS, min_size=1, max_size=12).map(" ".join)
_BLOCK = st.one_of(
    _LINE,
    _LINE.map("# {}".format),
    st.lists(_LINE, min_size=1, max_size=4).map(lambda lines: "\n".join(f"- {line}" for line in lines)),
    st.lists(_LINE, min_size=1, max_size=3).map(lambda lines: "\n".join(lines)),
    st.lists(_LINE, min_size=1, max_size=3).map(lambda lines: "```\n" + "\n\n".join(lines) + "\n```"),
    _LINE.map("```\n{}".format),  # a fence that does not close
    st.lists(_LINE, min_size=1, max_size=3).map(
        lambda lines: "| a | b |\n|---|---|\n" + "\n".join(f"| {line.replace('|', '')} | x |" for line in lines)
    ),
    st.sampled_from(["![image](x.png)", "<img src=x>", "---", "[a]: http://x", "> quoted kettle", "1) boil"]),
    st.text(max_size=40),
)
_TEXT = st.lists(_BLOCK, max_size=8).map("\n\n".join)


def verbatim(sentence: Sentence, text: str) -> bool:
    """Whether a sentence is a stretch of ``text``, but for its mark; a table's, head and rows."""
    (citation,) = sentence.citations
    body = re.sub(rf"\s*\[{citation.number}\]\s*$", "", sentence.text).strip("\n")
    if body in text:
        return True
    head, _, rows = body.partition("\n|---|---|\n")
    return f"{head}\n|---|---|" in text and rows in text


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_TEXT, max_size=3), _LINE)
def test_every_word_shown_stands_in_the_passage_it_cites(texts: list[str], question: str) -> None:
    passages = [Passage("kb", f"{number}.md", "水壶 kettle", text, 0.5) for number, text in enumerate(texts)]
    for sentence in extract(question, passages, "en"):
        if not sentence.citations:
            assert sentence.text == f"{ALSO.in_language('en', heading='水壶 kettle')}\n\n"
            continue
        (citation,) = sentence.citations
        assert citation.text in texts
        assert verbatim(sentence, citation.text)
        assert "<img" not in sentence.text or "```" in sentence.text
        assert sentence.text.count("```") % 2 == 0


@settings(max_examples=200, deadline=None)
@given(_TEXT)
def test_pieces_are_stretches_in_order_that_do_not_overlap(text: str) -> None:
    at = 0
    for piece in pieces(text):
        assert at <= piece.start < piece.end <= len(text)
        stretch = text[piece.start : piece.end]
        assert stretch.strip()
        if piece.kind is Kind.CODE:
            assert stretch.lstrip()[:3] in ("```", "~~~")
        at = piece.end


def test_pieces_longer_than_the_bound_are_left_out() -> None:
    text = "kettle " * 400
    assert pieces(text)[0].end > MAX_PIECE_CHARS
    assert told("kettle", Passage("kb", "a.md", "Kettle", text, 0.9)) == ""


TABLE = """支持的平台和引擎如下表所示。更多请看手册。

| 设备 | Linux | Windows |
|---|---|---|
| x86 CPU | onnxruntime ncnn OpenVINO | onnxruntime |
| NVIDIA GPU | TensorRT | TensorRT |
| RISC-V | ncnn | - |

其他的还在计划中。
"""
IN_HTML = plain_markdown(
    "支持的平台和引擎如下表所示。\n\n<table><tr><th>设备</th><th>Linux</th></tr>"
    "<tr><td>x86 CPU</td><td>onnxruntime<br>ncnn</td></tr><tr><td>RISC-V</td><td>ncnn</td></tr></table>\n"
)
LESSER = Passage("kb", "riscv.md", "支持 RISC-V", "选择 ncnn 作为 RISC-V 平台下的推理后端。分两步。", 0.8)


@pytest.mark.parametrize(
    ("text", "row"), [(TABLE, "| NVIDIA GPU | TensorRT |"), (IN_HTML, "| x86 CPU | onnxruntime ncnn |")]
)
def test_a_table_under_the_heading_that_asks_the_question_is_the_answer(text: str, row: str) -> None:
    """Its rows say nothing of what is asked, and a passage that repeats the question said more by words alone."""
    table = Passage("kb", "README.md", "特性 › 支持多种推理后端", text, 0.9)
    said = told("豆荚支持哪些推理后端？", table, LESSER)
    assert row in said
    assert "| RISC-V | ncnn |" in said
    assert said.index(row) < (said.find("分两步") if "分两步" in said else len(said))
