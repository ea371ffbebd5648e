"""A document may be written to hurt: each of these took minutes with a careless regular expression."""

from __future__ import annotations

import time

import pytest

from rag.readers import Refused, text_of
from rag.split import split
from search.tokenise import tokens

CHARS = 120_000
LIMIT_S = 2.0
"""Of the processor, so that a busy machine fails nobody."""

HOSTILE = {
    "hidden elements that never end": "<p hidden>",
    "comments that never end": "<!-- ",
    "tags that never end": "<a style='",
    "styles within styles": "<a style=\"style='display ",
    "fences that never close": "```x\n",
    "longer and longer fences": "~~~~~~~~~~~~~~~~ x\n~~~",
    "one heading": "# ",
    "brackets": "[",
    "links": "[[](",
    "spaces": " ",
    "lines of spaces": "   \t \n",
    "versions": "1.2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
    "dots": "a........",
    "names": "a_b.c-d/",
    "camels": "aAaA",
    "addresses": "https://a/",
    "underlines": "a\n-\n",
    "tables": "| a ",
    "stars": "*_`",
    "emphasised headings": "## **__`",
    "divisions": "<div>",
    "preformatted": "<pre>   ",
    "rows": "<table><tr><td>",
    "entities": "&lt;&#x41;",
    "bigrams": "的了吗推理",
}


@pytest.mark.parametrize("name", ["a.md", "a.html", "a.txt"])
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_read_split_and_tokenised_in_good_time(piece: str, name: str) -> None:
    data = (piece * (CHARS // len(piece))).encode()
    began = time.process_time()
    try:
        text = text_of(name, data)
    except Refused:
        text = ""
    pieces = split(text, target_chars=1_000, max_chars=2_000)
    for part in pieces:
        tokens(text[part.start : part.end])
        tokens(part.heading)
    assert time.process_time() - began < LIMIT_S
