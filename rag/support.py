"""Does a passage say what a sentence says? By words, numbers, names and negation – never by asking a model.

The measure is coverage: the share of the sentence's words, rare ones counting more, that stand close together in the
passage. Beside it three things must hold without exception: every number, every name (paths, identifiers, versions,
addresses) and every quotation of the sentence stands in the passage, and the sentence does not deny what the passage
affirms or the other way round. Words alone cannot see who did what to whom: docs/decisions/0008 says what was measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.blocks import pieces
from rag.gate.background import chance
from search.normalise import folded
from search.tokenise import tokens

SUPPORTED = 0.6
"""The share from which a cited passage counts as saying it. Held by tests/rag/test_model_answers_support.py."""
TELLING = 0.5
"""The weight from which a word's own denial counts."""
DENIED_WORDS = 3
"""A denying clause of so few words denies each of them."""
WINDOW_PIECES = 6
"""Words are looked for in so many neighbouring pieces: what is scattered over a page says something else."""
HALF_CREDIT = 0.5
"""A Chinese pair that is not there, though both its characters are: word order and particles vary."""
NEAREST_SHARE = 0.5
"""The clauses that hold this share of a clause's words are what it retells: their negation counts."""
NEAREST_OF_TOP = 0.85
"""Beside the nearest clause, those that come this close to it."""

_NAME = re.compile(r"--?[A-Za-z][\w\-]*|[A-Za-z0-9_]+(?:[._\-/\\:@+#~=]+[A-Za-z0-9_]+)*")
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])v?(\d[\d,]*(?:\.\d+)*)")
_QUOTED = re.compile(r"“([^“”]{2,})”|「([^「」]{2,})」|『([^『』]{2,})』|(?<!\w)\"([^\"]{2,})\"(?!\w)")
_NOT_ZH = re.compile(
    "不(?!同|仅|但|过|断|止|妨|错|管|论|久|少)|没|未(?!来|必)|无(?!论|线|缝|损)|非(?!常)|勿|别(?=[用要再把在让])|禁|莫|拒"
)
_ASKING_ZH = re.compile("是否|能否|可否|与否|是不是|能不能|有没有")
_NOT_EN = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|unsupported|unable|nothing|nobody|nowhere)\b|n['’]t\b",
    re.IGNORECASE,
)
_STRONG = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"总是|永远|永久|始终|一直|\b(?:always|forever|permanently)\b",
        r"所有|全部|每|任何|一切|\b(?:all|every|each|any|everything|everybody|everyone)\b",
        r"只|仅|唯一|\b(?:only|solely|exclusively)\b",
    )
)
"""What makes a claim wider or narrower: it must be the passage's own claim."""
_OPPOSITES = tuple(
    (re.compile(one, re.IGNORECASE), re.compile(other, re.IGNORECASE))
    for one, other in (
        (r"增大|增加|提高|变快|\b(?:increase|raise|faster)", r"减小|减少|降低|变慢|\b(?:decrease|reduce|lower|slower)"),
        (
            r"打开|开启|启用|\b(?:enable|switch(?:ed)? on|turn(?:ed)? on)",
            r"关闭|停用|禁用|\b(?:disable|switch(?:ed)? off|turn(?:ed)? off)",
        ),
        (r"删除|去掉|\b(?:delete|remove|erase)", r"保留|留在|\b(?:keep|kept|stay|remain)"),
        (r"允许|可以|\b(?:allow|permit)", r"禁止|\b(?:forbid|prohibit|refuse)"),
        (r"之前|以前|\bbefore\b", r"之后|以后|\bafter\b"),
        (
            r"以上|大于|超过|至少|\b(?:above|more than|at least|longer|larger)\b",
            r"以下|小于|不到|至多|最多|\b(?:below|less than|at most|up to|shorter|smaller)\b",
        ),
        (r"相同|一样|\bsame\b", r"不同|\bdifferent\b"),
        (r"手动|\bmanual", r"自动|\bautomatic"),
    )
)
_CLAUSE_END = re.compile(
    r"[，,；;：:。！？!?\n]+|\.(?=\s|$)|\s–\s|——|但是?|\b(?:but|and|while|although|because|instead)\b"
)
_ZH_DIGITS = {char: str(value) for value, char in enumerate("零一二三四五六七八九十")} | {"两": "2"}
_ZH_COUNT = re.compile(
    "(?<![一二三四五六七八九十百千万])([二两三四五六七八九十])(?=[种个类项步次条点款位台张层级块行列页份天周月年倍])"
)
_ZH_LARGE = re.compile("[一二两三四五六七八九十百千万亿]{2,}")
_ZH_NO_NUMBER = frozenset(["千万", "万一", "十分", "一一", "百万一"])
_EN_DIGITS = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9"}
_EN_COUNT = re.compile(r"\b(" + "|".join(_EN_DIGITS) + r")\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Support:
    """``share``: of the sentence's weight that the passage holds, 0–1. ``why``: what else speaks against it."""

    share: float
    why: str = ""

    @property
    def holds(self) -> bool:
        return not self.why and self.share >= SUPPORTED


def support(sentence: str, passages: Sequence[str]) -> Support:
    """How far ``passages`` together (each with its heading before it) say what ``sentence`` says, marks taken out."""
    plain = folded(sentence)
    read = [_read(passage) for passage in passages]
    if any(not any(holds(each.text, quoted) for each in read) for quoted in quotations(plain)):
        return Support(0.0, "quotation")
    if any(not any(number in each.numbers for each in read) for number in numbers(plain)):
        return Support(0.0, "number")
    if any(not any(holds(each.text, name) for each in read) for name in names(plain)):
        return Support(0.0, "name")
    weights = {word: weight(word) for word in tokens(plain) if not word.isdigit()}  # numbers have been looked for
    total = sum(weights.values())
    if total <= 0:
        return Support(0.0, "says nothing")
    held: dict[str, float] = {}
    for each in read:
        for word, credit in _best_window(weights, each).items():
            held[word] = max(credit, held.get(word, 0.0))
    share = sum(weights[word] * credit for word, credit in held.items()) / total
    if _contradicts(plain, read):
        return Support(share, "negation")
    if _overstates(plain, read):
        return Support(share, "overstated")
    if _reverses(plain, read):
        return Support(share, "reversed")
    return Support(share)


@lru_cache(maxsize=1 << 14)
def weight(word: str) -> float:
    """What a word counts: 1 for a rare one, less the more common it is in general."""
    return min(1.0, -math.log(chance(word)) / 6)


# ── what must be there to the letter ─────────────────────────────────────────────────────────────────────


def numbers(text: str) -> set[str]:
    """Numbers as plain digits, written out ones (三种, three) too; without the ordinals that begin list items."""
    found = {match[1].replace(",", "").rstrip(".") for match in _NUMBER.finditer(text)}
    found |= {_ZH_DIGITS[match[1]] for match in _ZH_COUNT.finditer(text)}
    found |= {match.group() for match in _ZH_LARGE.finditer(text)} - _ZH_NO_NUMBER
    return found | {_EN_DIGITS[match[1].lower()] for match in _EN_COUNT.finditer(text)}


def names(text: str) -> set[str]:
    """Paths, identifiers, flags, addresses, words in mixed case: what a reader would copy."""
    return {match.group() for match in _NAME.finditer(text) if _is_name(match.group())}


def _is_name(word: str) -> bool:
    if word.startswith("-"):
        return True
    letters = any(char.isalpha() for char in word)
    joined = any(char in "._/\\:@#~=" for char in word.strip("._"))
    mixed = any(char.isupper() for char in word[1:]) and any(char.islower() for char in word)
    acronym = len(word) > 1 and word.isupper()
    return letters and (joined or mixed or acronym or any(char.isdigit() for char in word))


def quotations(text: str) -> list[str]:
    """What stands in quotation marks."""
    return [next(filter(None, match.groups())) for match in _QUOTED.finditer(text)]


def holds(text: str, stretch: str) -> bool:
    """Whether ``text`` (squeezed, lower case) holds ``stretch`` as a whole, not as a part of a longer name."""
    wanted = squeezed(stretch)
    at = text.find(wanted)
    while at >= 0:
        if not _continues(text, at, at + len(wanted)):
            return True
        at = text.find(wanted, at + 1)
    return False


def _continues(text: str, start: int, end: int) -> bool:
    """Whether the stretch is a part of something longer: ``rm -rf /`` of ``rm -rf /tmp``, ``1.2`` of ``1.2.3``."""
    before, first = text[start - 1 : start], text[start : start + 1]
    last, after, beyond = text[end - 1 : end], text[end : end + 1], text[end + 1 : end + 2]
    joins_before = _is_latin(before) and (_is_latin(first) or first in "/.-_")
    if before and before in "/.-_=~@+" and _is_latin(first):
        joins_before = before not in "-=" or text[start - 2 : start - 1].isalnum()
    joins_after = _is_latin(after) and (_is_latin(last) or last in "/.-_~:@=")
    if after and after in "/.-_~@+=:" and _is_latin(last):
        joins_after = _is_latin(beyond) or after == "/"
    return joins_before or joins_after


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def squeezed(text: str) -> str:
    """As verbatim stretches are compared: NFKC, lower case, one blank for any blank space, Markdown's escapes gone."""
    return " ".join(re.sub(r"\\([_*.#+\-])", r"\1", folded(text)).lower().split())


# ── what must be there by and large ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Clause:
    words: frozenset[str]
    negators: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Read:
    """A passage as it is compared: ``text`` squeezed."""

    text: str
    numbers: frozenset[str]
    pieces: tuple[frozenset[str], ...]
    clauses: tuple[_Clause, ...]
    heading: frozenset[str]


@lru_cache(maxsize=256)
def _read(passage: str) -> _Read:
    heading, _, body = passage.partition("\n")
    cut = [body[piece.start : piece.end] for piece in pieces(body)] or [body]
    return _Read(
        squeezed(passage),
        frozenset(numbers(folded(passage))),
        tuple(frozenset(tokens(text)) for text in cut),
        tuple(clause for text in (heading, *cut) for clause in _clauses(folded(text))),
        frozenset(tokens(heading)),
    )


def _best_window(weights: dict[str, float], read: _Read) -> dict[str, float]:
    """By word, the credit that the best run of neighbouring pieces (and the heading) gives."""
    best: dict[str, float] = {}
    best_sum = 0.0
    for first in range(max(1, len(read.pieces) - WINDOW_PIECES + 1)):
        words = read.heading.union(*read.pieces[first : first + WINDOW_PIECES])
        credits = _credits(weights, words)
        together = sum(weights[word] * credit for word, credit in credits.items())
        if together > best_sum:
            best, best_sum = credits, together
    return best


def _credits(weights: Iterable[str], words: frozenset[str]) -> dict[str, float]:
    chars = {char for word in words if word[0] >= "\u2e80" for char in word}
    credits: dict[str, float] = {}
    for word in weights:
        if word in words:
            credits[word] = 1.0
        elif word[0] >= "\u2e80" and all(char in chars for char in word):
            credits[word] = HALF_CREDIT
    return credits


def negators(text: str) -> frozenset[str]:
    """The words by which a text says that something is not so, or is not to be done."""
    found = {match.group().lower() for match in _NOT_EN.finditer(text)}
    return frozenset(found | {match.group() for match in _NOT_ZH.finditer(_ASKING_ZH.sub("", text))})


def _contradicts(sentence: str, read: Sequence[_Read]) -> bool:
    """Whether a clause of the sentence denies what the clauses that it retells affirm, or affirms what they deny.

    Clauses are cut differently by everyone: a negator that stands in both texts is taken to say the same.
    """
    theirs = [clause for each in read for clause in each.clauses]
    said = negators(sentence)
    return any(_opposes(clause, said, theirs) for clause in _clauses(sentence))


def _overstates(sentence: str, read: Sequence[_Read]) -> bool:
    """Whether the sentence says „all“, „always“ or „only“ where the passages do not."""
    return any(strong.search(sentence) and not any(strong.search(each.text) for each in read) for strong in _STRONG)


def _reverses(sentence: str, read: Sequence[_Read]) -> bool:
    """Whether the sentence has the opposite of a word of the passages, and not the word."""
    for pair in _OPPOSITES:
        for ours, theirs in (pair, pair[::-1]):
            if not ours.search(sentence) or theirs.search(sentence):
                continue
            if not any(ours.search(each.text) for each in read) and any(theirs.search(each.text) for each in read):
                return True
    return False


def _opposes(ours: _Clause, said: frozenset[str], theirs: Sequence[_Clause]) -> bool:
    weights = {word: weight(word) for word in ours.words}
    total = sum(weights.values())
    if total <= 0:
        return False
    if not ours.negators and not said and _stands_denied(weights, theirs):
        return True
    shares = [sum(weights[word] * credit for word, credit in _credits(weights, each.words).items()) for each in theirs]
    top = max(shares, default=0.0)
    if top < NEAREST_SHARE * total:
        return bool(ours.negators) and not any(each.negators for each in theirs)
    nearest = [each for share, each in zip(shares, theirs, strict=True) if share >= NEAREST_OF_TOP * top]
    return not any(
        bool(each.negators) == bool(ours.negators) or (not ours.negators and each.negators & said) for each in nearest
    )


def _stands_denied(weights: Iterable[str], theirs: Sequence[_Clause]) -> bool:
    """Whether a telling word stands in the passages, but only where it is denied („per key, not per address“)."""
    for word in weights:
        holding = [each for each in theirs if word in each.words]
        if (
            weight(word) >= TELLING
            and holding
            and all(len(each.words) <= DENIED_WORDS and each.negators for each in holding)
        ):
            return True
    return False


def _clauses(text: str) -> list[_Clause]:
    """The parts of a text within which a negation holds, by their words; names are in all of them."""
    found: list[_Clause] = []
    for part in _CLAUSE_END.split(text):
        words = tokens(_NAME.sub(lambda match: " " if _is_name(match.group()) else match.group(), part)) or tokens(part)
        if words:
            found.append(_Clause(frozenset(words), negators(part)))
    return found
