"""How common a word is in general: what makes a word of the documents telling. Beside the features of the gate.

``background.json`` holds the natural logarithm, rounded to halves, of the chance to meet a token of
:mod:`search.tokenise` in a general text as long as a passage. What is not in it is rarer than all that is.

* Chinese pairs of characters: from the word counts of jieba's dictionary (jieba 0.42.1, github.com/fxsj/jieba, MIT).
* English words: from their ranks in films and in Wikipedia, as zxcvbn lists them (zxcvbn 4.5.0,
  github.com/dwolfhub/zxcvbn-python, MIT), by Zipf's law with Mandelbrot's correction.

``python -m rag.gate.background DICT_TXT FREQUENCY_LISTS_PY`` makes it anew from the two packages' files.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from search.tokenise import tokens

PASSAGE_PAIRS, PASSAGE_WORDS = 300, 120
"""Pairs of characters in a Chinese passage, words in an English one."""

_FILE = "background.json"
RARE_PAIR, RARE_WORD = 7.5e-4, 2e-3
"""The chance of what is not in the file. For a Latin word it is high for a reason: most of those are names."""
_MOST = 0.5
_PAIR_COUNT = 300
_LISTS = ("us_tv_and_film", "english_wikipedia")
_ZIPF_SCALE, _ZIPF_SHIFT = 0.08, 2.7
"""The share of the word of rank r is 0.08 / (r + 2.7): Mandelbrot 1953 as fitted to English (Booth 1967)."""


def load() -> None:
    """Read the file; otherwise the first call of :func:`chance` does, perhaps on the event loop."""
    _chances()


def chance(token: str) -> float:
    """The chance to meet ``token`` in a passage of general text; more than 0, at most 0.5."""
    known = _chances().get(token)
    if known is not None:
        return known
    if token[0] < "\u2e80":
        return RARE_WORD
    return RARE_PAIR * (10 if len(token) == 1 else 1)


@cache
def _chances() -> dict[str, float]:
    """The file's content; never changed."""
    levels = json.loads(resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))["levels"]
    chances: dict[str, float] = {}
    for level, (pairs, words) in levels.items():
        value = min(_MOST, math.exp(float(level)))
        chances |= dict.fromkeys((pairs[start : start + 2] for start in range(0, len(pairs), 2)), value)
        chances |= dict.fromkeys(words.split(), value)
    return chances


# ── to make it ───────────────────────────────────────────────────────────────────────────────────────────


def pair_chances(lines: Iterable[str]) -> dict[str, float]:
    """Of jieba's dictionary: lines of word, count and part of speech."""
    counts: Counter[str] = Counter()
    for line in lines:
        word, count, _ = line.split(" ")
        for start in range(len(word) - 1):
            counts[word[start : start + 2]] += int(count)
    total = sum(counts.values())
    return {
        pair: PASSAGE_PAIRS * times / total
        for pair, times in counts.items()
        if times >= _PAIR_COUNT and all("\u3400" <= char <= "\u9fff" for char in pair)
    }


def word_chances(lists: Mapping[str, Iterable[str]]) -> dict[str, float]:
    """Of lists of English words, the most frequent first. Words of one stem are added up."""
    chances: dict[str, float] = {}
    for ranked in lists.values():
        for rank, word in enumerate(ranked, start=1):
            if not word.isalpha() or not word.isascii():
                continue
            share = 1 - math.exp(-PASSAGE_WORDS * _ZIPF_SCALE / (rank + _ZIPF_SHIFT))
            for token in tokens(word):
                chances[token] = chances.get(token, 0.0) + share
    return {word: share for word, share in chances.items() if share > RARE_WORD}


def content(pairs: Mapping[str, float], words: Mapping[str, float]) -> str:
    """The file: by level, the pairs end to end and the words between spaces."""
    levels: dict[str, tuple[list[str], list[str]]] = {}
    for place, chances in enumerate((pairs, words)):
        for token, share in sorted(chances.items()):
            level = f"{round(math.log(share) * 2) / 2:.1f}"
            levels.setdefault(level, ([], []))[place].append(token)
    ordered = sorted(levels, key=float, reverse=True)
    what = "ln of the chance to meet a token in a general text as long as a passage; see background.py"
    table = {level: ["".join(levels[level][0]), " ".join(levels[level][1])] for level in ordered}
    return json.dumps({"what": what, "levels": table}, ensure_ascii=False, indent=0) + "\n"


def _main(dictionary: Path, lists: Path) -> None:
    text = lists.read_text(encoding="utf-8")
    by_name = {name: re.search(rf'"{name}": "([^"]*)"', text) for name in _LISTS}
    words = word_chances({name: found[1].split(",") for name, found in by_name.items() if found})
    with dictionary.open(encoding="utf-8") as lines:
        pairs = pair_chances(lines)
    Path(__file__).with_name(_FILE).write_text(content(pairs, words), encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
