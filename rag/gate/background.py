"""How common a word is in general: what makes a word of the documents telling. Beside the features of the gate.

Chinese: relative frequencies of character pairs, from the word counts of jieba's dictionary (fxsj/jieba, MIT
licence), rounded to half a unit of the natural logarithm and kept in ``background_zh.json``;
``python -m rag.gate.background`` makes that file anew. English words and names: one flat rate, since a message
that names things a text of another field would hardly name is on topic whether they are common or not; everyday
words are an exception and are listed.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from functools import cache
from importlib import resources
from pathlib import Path

from search.tokenise import tokens

TEXT_TOKENS = 300
"""Pairs in a text as long as a passage: turns the frequency of a pair into the chance to meet it in a passage."""

_FILE = "background_zh.json"
_MIN_COUNT = 300
"""Rarer pairs (8e-6 of all) are left out of the file and share one frequency."""
_RARE = 2.5e-6
_NAME_CHANCE = 0.002
_EVERYDAY_CHANCE = 0.02
_MOST = 0.5

_EVERYDAY_EN = """
lunch dinner breakfast eat food restaurant coffee tea beer drink cook hungry pizza cake delicious weather rain snow sun
sunny hot cold weekend holiday vacation trip travel flight hotel beach tonight tomorrow yesterday today morning evening
night week month year birthday party movie film song music band concert football soccer basketball match team league
player game play watch tv show series cat dog pet baby kid child children family mother father mom dad brother sister
wife husband girlfriend boyfriend friend love happy sad tired sleep bed dream funny joke lol haha wow nice cool awesome
great good bad best worst beautiful pretty people man woman guy girl boy life live home house rent apartment room city
country money buy sell price cheap expensive pay salary job boss office work hire bus car train subway bike drive walk
run gym doctor hospital sick phone shop shopping shoes clothes dress hair hope feel think know like want need thing lot
time day really maybe yeah yes
"""


def chance(token: str) -> float:
    """The chance to meet ``token`` in a passage of general text; more than 0, at most 0.5."""
    if "\u3400" <= token[0] <= "\u9fff":
        frequency = _pairs().get(token, _RARE) if len(token) > 1 else 10 * _RARE
        return min(_MOST, TEXT_TOKENS * frequency)
    return _EVERYDAY_CHANCE if token in _everyday() else _NAME_CHANCE


@cache
def _everyday() -> frozenset[str]:
    return frozenset(tokens(_EVERYDAY_EN))


@cache
def _pairs() -> dict[str, float]:
    levels = json.loads(resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))["levels"]
    pairs: dict[str, float] = {}
    for level, run in levels.items():
        frequency = math.exp(float(level))
        for start in range(0, len(run), 2):
            pairs[run[start : start + 2]] = frequency
    return pairs


def make(dictionary: Path) -> str:
    """The content of ``background_zh.json``, from jieba's ``dict.txt`` (lines of word, count, part of speech)."""
    counts: Counter[str] = Counter()
    with dictionary.open(encoding="utf-8") as lines:
        for line in lines:
            word, count, _ = line.split(" ")
            for start in range(len(word) - 1):
                counts[word[start : start + 2]] += int(count)
    total = sum(counts.values())
    levels: dict[str, list[str]] = {}
    for pair, times in sorted(counts.items()):
        if times >= _MIN_COUNT and all("\u3400" <= char <= "\u9fff" for char in pair):
            levels.setdefault(f"{round(math.log(times / total) * 2) / 2:.1f}", []).append(pair)
    content = {
        "what": "natural logarithm of the relative frequency of Chinese character pairs within words",
        "source": "word counts of the dictionary of jieba 0.42.1, https://github.com/fxsj/jieba, MIT licence",
        "levels": {level: "".join(levels[level]) for level in sorted(levels, key=float, reverse=True)},
    }
    return json.dumps(content, ensure_ascii=False, indent=0) + "\n"


if __name__ == "__main__":
    import jieba

    Path(__file__).with_name(_FILE).write_text(make(Path(jieba.__file__).with_name("dict.txt")), encoding="utf-8")
