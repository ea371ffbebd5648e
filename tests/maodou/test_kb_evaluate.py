"""``maodou kb evaluate``: the table, the failures, and what it says about a file that is no question set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.maodou.conftest import Maodou

SET = (
    {"text": "How do I change the port of the web room?", "expect": "answer", "source": "docs/guide.md"},
    {"text": "which port does the web room listen on?", "expect": "answer", "source": "other.md"},
    {"text": "good morning everyone", "expect": "silent"},
    {"text": "what is the capital of Mongolia?", "expect": "answer"},
)


@pytest.fixture
def messages(maodou: Maodou, home: Path) -> Path:
    docs = home / "docs"
    docs.mkdir()
    (docs / "guide.md").write_text(
        "# Ports\n\nThe web room listens on port 7860. `web.port` in config.yaml changes the port of the web room.\n"
    )
    assert maodou("kb", "add", docs, "--kb", "help").code == 0
    file = home / "messages.jsonl"
    file.write_text("\n".join(json.dumps(case) for case in SET))
    return file


def test_the_figures_are_printed_for_people_and_for_programs(maodou: Maodou, messages: Path) -> None:
    told = json.loads(maodou("kb", "evaluate", messages, "--kb", "help", "--json", "--failures").out)
    assert told["all"]["messages"] == 4
    assert (told["answerable"]["expected"], told["answerable"]["right"]) == (3, 2)
    assert told["answerable"]["precision"] == 1.0
    assert told["answerable"]["right_source"] == 0.5
    assert [(row["fault"], row["text"]) for row in told["failures"]] == [
        ("other_source", SET[1]["text"]),
        ("silent", SET[3]["text"]),
    ]
    table = maodou("kb", "evaluate", messages, "--kb", "help").out
    assert "right source" in table
    assert "2 of 4 went wrong" in table
    assert "Mongolia" not in table


def test_what_cannot_be_evaluated_is_said(maodou: Maodou, messages: Path, home: Path) -> None:
    assert "cannot be read" in maodou("kb", "evaluate", home / "nowhere.jsonl", "--kb", "help").err
    assert "There is no knowledge base named" in maodou("kb", "evaluate", messages, "--kb", "nothing").err
    messages.write_text('{"text": "a"}\n')
    assert "Line 1: expect" in maodou("kb", "evaluate", messages, "--kb", "help").err
