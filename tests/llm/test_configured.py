"""One line of ``config.yaml`` makes a model write the answers; everything that is asked goes its way."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.decision import Reason
from bot.errors import UsageError
from bot.event import Addressed
from bot.ports import Judgement, Passage, Question, Verdict
from llm.client import ModelClient
from maodou.config import Settings, load
from maodou.documents import answerer_of, completer_of, model_of
from rag.extractive import ExtractiveAnswerer
from rag.model_answers import ModelAnswerer
from tests.llm.scripted_server import says, scripted

KEY = "sk-0123456789abcdef"


@pytest.fixture
def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def settings(*lines: str) -> Settings:
        (tmp_path / "config.yaml").write_text("\n".join(lines), encoding="utf-8")
        return load()

    return settings


def test_without_it_answers_need_no_model(settings_of: Callable[..., Settings]) -> None:
    settings = settings_of("data_dir: data")
    model = model_of(settings)
    assert model is None
    assert isinstance(answerer_of(model, completer_of(settings, model)), ExtractiveAnswerer)


@pytest.mark.may_block  # the file of settings is read within the test's loop
async def test_one_line_makes_a_model_write_them(settings_of: Callable[..., Settings]) -> None:
    passage = Passage("pods", "a.md", "Install", "Run `pip install doujia` in a fresh environment.", 0.9)
    async with scripted(says("Install it with `pip install doujia` [1].")) as server:
        settings = settings_of(f"model: {{endpoints: [{{url: '{server.url}', model: tiny}}]}}")
        model = model_of(settings)
        assert isinstance(model, ModelClient)
        answerer = answerer_of(model, completer_of(settings, model))
        assert isinstance(answerer, ModelAnswerer)
        question = Question("How do I install it?", ("pods",), Addressed.MENTION, "en")
        judgement = Judgement(Verdict.ANSWER, Reason.FROM_DOCUMENTS, 0.9, (passage,))
        text = "".join([sentence.text async for sentence in answerer.answer(question, judgement)])
        await model.aclose()
    assert text == "Install it with `pip install doujia`. [1]"
    assert server.asked[0].path == "/v1/chat/completions"


def test_its_key_is_never_read_in_a_log(settings_of: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_KEY", KEY)
    settings = settings_of("model: {endpoints: [{url: 'https://a.example/v1', model: m, key_env: CHAT_KEY}]}")
    assert KEY not in settings.secrets().blot(f"sent {KEY}")


def test_a_key_in_the_file_is_not_taken(settings_of: Callable[..., Settings]) -> None:
    with pytest.raises(UsageError, match="not the key itself"):
        settings_of(f"model: {{endpoints: [{{url: 'https://a.example/v1', model: m, key_env: {KEY}}}]}}")


def test_without_the_library_the_operator_is_told_what_to_do(
    settings_of: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of("model: {endpoints: [{url: 'https://a.example/v1', model: m}]}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="extra `openai`"):
        model_of(settings)
