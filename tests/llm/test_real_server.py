"""The client against llama.cpp's server, which nobody here wrote, with a model that a script of ours made."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.decision import Reason
from bot.event import Addressed
from bot.ports import Judgement, Passage, Question, Verdict
from llm.checks import check
from llm.errors import AllFailed, CallFailed, Failure
from llm.settings import ModelSettings
from rag.extractive import ExtractiveAnswerer
from rag.gate.deciding import Ruling
from rag.judging import Judge
from rag.model_answers import ModelAnswerer
from rag.settings import JudgeSettings
from tests.llm.conftest import MakeClient, text_of

pytestmark = pytest.mark.llama_server

SENTENCE = "Run pip install doujia in a fresh environment [1]. Windows is supported as well. [1]"
KEY = "sesame"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address, up to /v1."""
    from tests.llm.tiny_model import write

    model = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write(model, SENTENCE)
    script = Path(__file__).with_name("real_server.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(model), KEY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        address = next(line.split()[1] for line in process.stdout if line.startswith("ready "))
        yield f"{address}/v1"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def with_key() -> dict[str, dict[str, str]]:
    return {"environ": {"CHAT_KEY": KEY}, "endpoint": {"key_env": "CHAT_KEY"}}


async def test_it_answers_in_pieces_and_counts_its_tokens(
    client_of: MakeClient, server: str, with_key: dict[str, dict[str, str]]
) -> None:
    client = client_of(server, **with_key)
    messages = [{"role": "user", "content": "怎么安装？ How? \U0001f9d1\u200d"}]
    pieces = [piece async for piece in client.complete(messages, max_tokens=50, timeout_s=5)]
    assert "".join(pieces).strip() == SENTENCE
    assert len(pieces) > 5
    (tally,) = client.tallies()
    assert tally.uncounted == 0
    assert 0 < tally.answer_tokens <= 50
    assert 0 < tally.prompt_tokens <= client.tokens_at_most(messages)


async def test_an_answer_cut_at_its_limit_is_a_failure(
    client_of: MakeClient, server: str, with_key: dict[str, dict[str, str]]
) -> None:
    with pytest.raises(CallFailed) as caught:
        await text_of(client_of(server, **with_key), max_tokens=3)
    assert caught.value.failure is Failure.LENGTH


async def test_a_wrong_key_is_refused(client_of: MakeClient, server: str) -> None:
    with pytest.raises(AllFailed, match="refused"):
        await text_of(client_of(server))


async def test_a_prompt_beyond_the_context_is_a_bad_request(
    client_of: MakeClient, server: str, with_key: dict[str, dict[str, str]]
) -> None:
    with pytest.raises(AllFailed, match="bad_request"):
        await text_of(client_of(server, **with_key), [{"role": "user", "content": "字" * 9_000}])


async def test_eight_at_once(client_of: MakeClient, server: str, with_key: dict[str, dict[str, str]]) -> None:
    client = client_of(server, **with_key)
    answers = await asyncio.gather(*(text_of(client) for _ in range(8)))
    assert {answer.strip() for answer in answers} == {SENTENCE}


async def test_after_a_dead_server_the_living_one_answers(
    client_of: MakeClient, server: str, with_key: dict[str, dict[str, str]]
) -> None:
    client = client_of("http://127.0.0.1:9/v1", server, **with_key)
    assert (await text_of(client)).strip() == SENTENCE
    assert dict(client.tallies()[0].failures) == {Failure.UNREACHABLE: 1}


async def test_what_it_says_is_checked_before_it_is_shown(
    client_of: MakeClient, server: str, with_key: dict[str, dict[str, str]]
) -> None:
    passage = Passage(
        "pods",
        "docs/install.md",
        "Install",
        "Run pip install doujia in a fresh environment. Windows is not supported.",
        0.9,
    )
    judgement = Judgement(Verdict.ANSWER, Reason.FROM_DOCUMENTS, 0.9, (passage,))
    answerer = ModelAnswerer(client_of(server, **with_key), ExtractiveAnswerer())
    question = Question("How do I install Doujia?", ("pods",), Addressed.MENTION, "en")
    text = "".join([sentence.text async for sentence in answerer.answer(question, judgement)])
    assert text == "Run pip install doujia in a fresh environment. [1]"


async def test_the_doctor_says_whether_it_answers(server: str) -> None:
    endpoints = [
        {"url": server, "model": "tiny", "key_env": "CHAT_KEY"},
        {"url": "http://127.0.0.1:9/v1", "model": "gone"},
    ]
    settings = ModelSettings.model_validate({"endpoints": endpoints})
    well, ill = await check(settings, {"CHAT_KEY": KEY})
    assert (well.ok, ill.ok) == (True, False)
    assert "answers after" in well.details
    assert "Start the server" in ill.resolution
    (keyless, _) = await check(settings, {})
    assert "CHAT_KEY is not set" in keyless.details


async def test_the_judges_form_is_held_to_by_the_server(
    server: str, client_of: MakeClient, with_key: dict[str, dict[str, str]]
) -> None:
    """The tiny model knows one sentence and no JSON: what comes is the form, because the server holds it to it."""
    client = client_of(server, **with_key)
    passages = (Passage("pods", "install.md", "", "Run pip install doujia.", 0.9),)
    unsure = Ruling(Verdict.SILENT, Reason.UNSURE, 0.5, 0.5)
    judge = Judge(client, JudgeSettings(timeout_s=30))
    with capture_logs() as logs:
        ruled = await judge.rule(unsure, "How do I install doujia?", passages, "en", addressed=False)
    (said,) = [entry for entry in logs if entry["event"] == "judge.said"]
    assert ruled.verdict in (Verdict.ANSWER, Verdict.SILENT)
    assert said["failed"] is False
