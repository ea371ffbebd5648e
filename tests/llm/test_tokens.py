"""The bound on tokens holds for real tokenizers, whatever the text."""

from __future__ import annotations

import importlib.util
import unicodedata
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from llm.tokens import MESSAGE_TOKENS, TEMPLATE_TOKENS, ByteBound, encoded, prompt_at_most

HARD = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="\u0378\ufdfa\U0001f9d1\u200d\U000e0041 \n\t\ud800字a1", max_size=200),
    st.binary(max_size=200).map(lambda data: data.decode("latin-1")),
)


@pytest.fixture(scope="module", params=["cl100k_base", "o200k_base"])
def encoding(request: pytest.FixtureRequest) -> tiktoken.Encoding:
    """A real byte-level tokenizer, from the files that come with LlamaIndex: nothing is downloaded."""
    spec = importlib.util.find_spec("llama_index.core")
    assert spec is not None
    assert spec.origin is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(Path(spec.origin).parent / "_static/tiktoken_cache"))
        return tiktoken.get_encoding(request.param)


@settings(max_examples=200, deadline=None)
@given(text=HARD)
def test_no_text_has_more_tokens_than_its_bound(encoding: tiktoken.Encoding, text: str) -> None:
    sent = encoded(text).decode()
    for form in (sent, unicodedata.normalize("NFKC", sent), f"▁{sent}"):
        assert len(encoding.encode(form, disallowed_special=())) <= ByteBound().at_most(text) + 2 * form.startswith("▁")


@given(text=HARD)
def test_whatever_it_is_it_can_be_sent(text: str) -> None:
    encoded(text).decode("utf-8")


def test_a_prompt_is_its_messages_and_the_template() -> None:
    messages = [{"role": "system", "content": "ab"}, {"role": "user", "content": "字"}]
    assert prompt_at_most(ByteBound(), messages) == TEMPLATE_TOKENS + 2 * MESSAGE_TOKENS + 3 + 4


def test_this_test_would_notice_a_bound_by_characters(encoding: tiktoken.Encoding) -> None:
    assert len(encoding.encode("\u0378" * 50)) > 50
