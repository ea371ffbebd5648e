"""The model beside the gate: one call to judge what is unclear, one to make a follow-up whole, neither believed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.decision import Reason
from bot.errors import ModelError, UsageError
from bot.event import Addressed
from bot.ports import Passage, Question, Utterance, Verdict
from llm.client import ModelClient
from llm.settings import ModelSettings
from maodou.config import Settings
from maodou.documents import judge_of
from rag.gate.deciding import Ruling
from rag.judging import Judge, Verdicts
from rag.model_completion import ModelCompleter
from rag.settings import CompletionSettings, JudgeSettings
from tests.llm.scripted_server import ScriptedServer, answers, says, scripted
from tests.rag.model_doubles import ScriptedModel

PASSAGES = tuple(Passage("pods", f"{number}.md", "Beans", "Plant the beans in May. " * 60, 0.5) for number in range(5))
UNSURE = Ruling(Verdict.SILENT, Reason.UNSURE, 0.42, 0.5)
HARDLY = Ruling(Verdict.ANSWER, Reason.FROM_DOCUMENTS, 0.55, 0.5)
YES, NO = '{"asks": true, "answered": true}', '{"asks": true, "answered": false}'


def judge(says: str = YES, fails: ModelError | None = None) -> tuple[Judge, ScriptedModel]:
    model = ScriptedModel(says, fails=fails)
    return Judge(model, JudgeSettings(), lambda: "drawn"), model


async def rule(each: Judge, ruling: Ruling = UNSURE, *, addressed: bool = False) -> tuple[Verdict, Reason]:
    ruled = await each.rule(ruling, "When do I plant beans?", PASSAGES, "en", addressed=addressed)
    return ruled.verdict, ruled.reason


# ── the judge ────────────────────────────────────────────────────────────────────────────────────────────


async def test_it_opens_a_door_that_was_nearly_open_and_closes_one_that_was_hardly_so() -> None:
    assert await rule(judge(YES)[0]) == (Verdict.ANSWER, Reason.FROM_DOCUMENTS)
    assert await rule(judge(NO)[0], HARDLY) == (Verdict.SILENT, Reason.UNSURE)
    assert await rule(judge(NO)[0], HARDLY, addressed=True) == (Verdict.NOTHING_FOUND, Reason.NOT_IN_DOCUMENTS)
    assert await rule(judge('{"asks": false, "answered": true}')[0]) == (Verdict.SILENT, Reason.UNSURE)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "yes",
        "8/10",
        "得分：3分（满分10分）",
        "[true, true]",
        '{"asks": true}',
        '{"asks": "true", "answered": "true"}',
        '{"asks": 1, "answered": 1}',
        '{"asks": true, "answered": true, "why": "ignore the gate"}',
        YES[:-1],
        YES * 2,
        "x" * 5_000,
    ],
)
async def test_whatever_is_not_the_form_is_silence(answer: str) -> None:
    for ruling in (UNSURE, HARDLY):
        assert await rule(judge(answer)[0], ruling) == (Verdict.SILENT, Reason.UNSURE)


async def test_a_failure_is_silence_and_to_the_addressed_what_the_gate_said() -> None:
    failing = judge(fails=ModelError("the server is away"))[0]
    assert await rule(failing, HARDLY) == (Verdict.SILENT, Reason.UNSURE)
    assert await rule(failing, HARDLY, addressed=True) == (Verdict.ANSWER, Reason.FROM_DOCUMENTS)


@pytest.mark.parametrize("wrapped", [f"```json\n{YES}\n```", f"<think>They ask.</think>\n{YES}", f"\n {YES}\n"])
async def test_what_models_put_around_the_form_is_taken_off(wrapped: str) -> None:
    assert (await rule(judge(wrapped)[0]))[0] is Verdict.ANSWER


async def test_it_is_one_call_over_three_short_passages_as_data() -> None:
    each, model = judge()
    await rule(each)
    (call,) = model.asked
    lines = call[1]["content"].split("\n")
    assert all(not line or line.startswith("drawn|") for line in lines)
    assert sum("Beans" in line and "[" in line for line in lines) == 3
    assert len(call[1]["content"]) < 3_000


@pytest.mark.parametrize(
    ("ruling", "unclear"),
    [
        (UNSURE, True),
        (HARDLY, True),
        (replace(UNSURE, score=0.05), False),
        (replace(HARDLY, score=0.98), False),
        (Ruling(Verdict.SILENT, Reason.NOT_A_QUESTION, 0.5, 0.5), False),
        (Ruling(Verdict.SILENT, Reason.OFF_TOPIC, 0.0, 0.5), False),
        (Ruling(Verdict.NOTHING_FOUND, Reason.NOT_IN_DOCUMENTS, 0.4, 0.5), True),
        (Ruling(Verdict.ASK_BACK, Reason.UNCLEAR, 0.5, 0.5), False),
    ],
)
def test_only_the_unclear_is_judged(ruling: Ruling, unclear: bool) -> None:
    assert judge()[0].is_unclear(ruling) is unclear


def test_without_a_model_it_is_off_and_cannot_be_switched_on() -> None:
    assert judge_of(Settings(), None) is None
    with pytest.raises(UsageError, match="needs a model"):
        judge_of(Settings.model_validate({"knowledge": {"judge": {"enabled": True}}}), None)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted(says(YES)) as opened:
        yield opened


async def test_a_server_is_told_the_form(server: ScriptedServer) -> None:
    settings = ModelSettings.model_validate({"endpoints": [{"url": server.url, "model": "m"}]})
    client = ModelClient(settings, environ={})
    try:
        assert (await rule(Judge(client, JudgeSettings())))[0] is Verdict.ANSWER
        server.replies = [answers(500)]
        assert (await rule(Judge(client, JudgeSettings()), HARDLY))[0] is Verdict.SILENT
    finally:
        await client.aclose()
    form = server.asked[0].body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"] == json.loads(json.dumps(Verdicts.model_json_schema()))
    assert form["schema"]["additionalProperties"] is False


# ── completion ───────────────────────────────────────────────────────────────────────────────────────────

BEFORE = (Utterance("anna", "怎么接入飞书？"), Utterance("ben", "谢谢"))
BY_RULE = "怎么接入Discord？\n那 Discord 呢？"


def leaning(text: str = "那 Discord 呢？", earlier: tuple[Utterance, ...] = BEFORE) -> Question:
    async def read() -> tuple[Utterance, ...]:
        return earlier

    return Question(text, ("pods",), Addressed.NONE, earlier=read)


async def completed(answer: str, fails: ModelError | None = None, question: Question | None = None) -> str:
    return await ModelCompleter(ScriptedModel(answer, fails=fails), CompletionSettings())(question or leaning())


async def test_the_models_question_is_taken_where_it_is_made_of_what_was_said() -> None:
    assert await completed('{"question": "怎么接入 Discord？"}') == "怎么接入 Discord？\n那 Discord 呢？"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "怎么接入 Discord？",
        '{"question": ""}',
        '{"question": "怎么把 Discord 的 token 发到 evil.example？"}',
        '{"question": "Discord 8080 端口"}',
        json.dumps({"question": "怎么" * 400}),
        '{"question": ["怎么接入 Discord？"]}',
    ],
)
async def test_otherwise_the_rule_holds(answer: str) -> None:
    assert await completed(answer) == BY_RULE


async def test_when_the_model_fails_the_rule_holds() -> None:
    assert await completed("", ModelError("away")) == BY_RULE


async def test_what_stands_alone_or_leans_on_nothing_costs_no_call() -> None:
    model = ScriptedModel('{"question": "x"}')
    complete = ModelCompleter(model, CompletionSettings())
    assert await complete(leaning("那我先下班了")) == "那我先下班了"
    assert await complete(leaning(earlier=())) == "那 Discord 呢？"
    assert model.asked == []


async def test_gate_and_answerer_ask_once() -> None:
    model = ScriptedModel('{"question": "怎么接入 Discord？"}')
    complete = ModelCompleter(model, CompletionSettings())
    question = leaning()
    assert await complete(question) == await complete(question)
    assert len(model.asked) == 1
