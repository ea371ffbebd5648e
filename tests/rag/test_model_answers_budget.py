"""Prompt and answer never exceed the model's context, whatever is asked of whatever documents."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.ports import Passage
from rag.prompt import MIN_PASSAGE_CHARS, build
from tests.rag.model_doubles import ScriptedModel

TEXT = st.one_of(
    st.text(max_size=400),
    st.text(alphabet="中文ab \n\u200b\U000e0041`|<>[]/", max_size=3_000),
    st.integers(0, 6_000).map("字".__mul__),
    st.integers(0, 9_000).map("word\n".__mul__),
    st.just("\ufdfa" * 300),  # one character that NFKC makes eighteen of
)
PASSAGES = st.lists(st.tuples(TEXT, TEXT), max_size=6)


@settings(max_examples=120, deadline=None)
@given(TEXT, PASSAGES, st.integers(1_000, 40_000), st.sampled_from(["zh", "en"]))
def test_the_budget_is_kept(asked: str, texts: list[tuple[str, str]], context: int, language: str) -> None:
    model = ScriptedModel(context_tokens=context)
    passages = [Passage("pods", f"{n}.md", heading, text, 1.0, n) for n, (heading, text) in enumerate(texts)]
    prompt = build(asked, language, passages, model, "0123abcd")
    if prompt is None:
        return
    sent = sum(len(message["content"].encode("utf-8", "surrogatepass")) for message in prompt.messages)
    assert sent + model.limits.answer_tokens <= context  # a token is at least a byte
    assert model.tokens_at_most(prompt.messages) + model.limits.answer_tokens <= context
    data = prompt.messages[1]["content"].split("\n")
    assert all(line.startswith(prompt.mark) for line in data if line)


@settings(max_examples=40, deadline=None)
@given(st.integers(3_000, 9_000))
def test_and_it_is_used(context: int) -> None:
    """A passage that is too long is cut to what fits, not left out."""
    model = ScriptedModel(context_tokens=context)
    prompt = build("how?", "en", [Passage("pods", "a.md", "", "line of text\n" * 2_000, 1.0)], model, "0123abcd")
    assert prompt is not None
    assert len(prompt.passages[0].text) >= MIN_PASSAGE_CHARS
    assert context - model.limits.answer_tokens - model.tokens_at_most(prompt.messages) < 200


def test_a_long_question_leaves_room_for_the_passages() -> None:
    model = ScriptedModel(context_tokens=4_000)
    prompt = build("why? " * 4_000, "en", [Passage("pods", "a.md", "", "because. " * 100, 1.0)], model, "0123abcd")
    assert prompt is not None
    assert len(prompt.passages[0].text) >= MIN_PASSAGE_CHARS
