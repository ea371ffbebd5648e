"""The ``model`` section: one line is enough, and what is wrong is said before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from llm.settings import ModelSettings

ONE: dict[str, Any] = {"url": "http://127.0.0.1:23333/v1/", "model": "internlm3"}


def test_one_line_is_enough() -> None:
    (endpoint,) = ModelSettings.model_validate({"endpoints": [ONE]}).endpoints
    assert (endpoint.url, endpoint.label) == ("http://127.0.0.1:23333/v1", "internlm3 at 127.0.0.1:23333")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "127.0.0.1:23333"}, "http://"),
        ({"url": "file:///etc/passwd"}, "http://"),
        ({"url": "https://user:key@host/v1"}, "key_env"),
        ({"key_env": "sk-0123456789abcdef"}, "not the key itself"),
        ({"key_env": "MAODOU_MODEL_KEY"}, "call it"),
        ({"context_tokens": 512}, "2048"),
        ({"key": "sk-0123"}, "key"),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ModelSettings.model_validate({"endpoints": [{**ONE, **wrong}]})


def test_an_answer_may_not_take_more_than_half_of_the_smallest_context() -> None:
    with pytest.raises(ValidationError, match="at most half"):
        ModelSettings.model_validate({"endpoints": [ONE, {**ONE, "context_tokens": 2048}], "max_answer_tokens": 1500})


def test_without_an_endpoint_there_is_no_model() -> None:
    with pytest.raises(ValidationError, match="endpoints"):
        ModelSettings.model_validate({"endpoints": []})
