"""Answers without a model: the stretches of the passages that answer, joined, each with its citation.

Query-biased extraction (Tombros and Sanderson 1998): a piece counts for the words of the question that it holds,
rare ones more, and for standing under a heading that holds them, near the beginning. The best run of neighbouring
pieces is shown, then one of another passage where that adds something. What is shown is a verbatim stretch of its
passage, without links to other files of its folder; only the connecting words, in the question's language, are ours.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

from bot.ports import Citation, Judgement, Passage, Question, Sentence
from bot.texts import Text
from rag.blocks import Kind, Piece, pieces
from rag.completion import Complete, whole
from rag.gate.background import chance
from rag.gate.forms import form_of
from rag.showing import hosts, links, without_half_marks, without_mentions, without_paths
from search.tokenise import content, tokens

MAX_CHARS = 600
"""Of an answer, normally: a single table row or fence may be longer."""
MAX_PIECE_CHARS = 1_200
"""A longer piece (a long listing) is not shown."""
MAX_SECOND_CHARS = 240

MAX_TABLE_CHARS = 1_000
"""Of a run with rows of a table: a reader's eye passes over rows faster than over sentences."""
ROW_SHARE = 1 / 3
"""What a row's length counts, against that of a sentence."""

HEADING_SHARE = 0.6
"""What a word in the heading counts, against one in the piece itself."""
TITLE_SHARE = 0.95
"""The same, where the headings hold most of what is asked, the nearest some of it: what stands under it need not say it
again, and a table seldom does."""
MOST = 0.6
RANK_SHARE = 0.8
"""What the next passage in rank counts, against the one before."""
SECOND_SHARE = 0.6
"""A second passage is shown when its best run has this share of the first one's score, and a new word."""

ALSO = Text(zh="另见「{heading}」：", en="See also “{heading}”:")


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring pieces of one passage, by their numbers there."""

    passage: int
    first: int
    last: int
    score: float


class ExtractiveAnswerer:
    """An :class:`bot.ports.Answerer` that needs nothing but the passages. ``complete``: makes follow-ups whole."""

    def __init__(self, complete: Complete = whole) -> None:
        self._complete = complete

    async def answer(self, question: Question, judgement: Judgement) -> AsyncIterator[Sentence]:
        """Pieces of the passages with their citations, best passage first; nothing when no piece answers."""
        text = await self._complete(question)
        theirs = {passage.text for passage in judgement.passages if passage.added_by}
        for found in await asyncio.to_thread(extract, text, judgement.passages, question.language):
            sentence = replace(found, text=without_half_marks(without_paths(found.text)))
            if not any(citation.text in theirs for citation in sentence.citations):
                yield sentence
            elif not links(sentence.text) and not hosts(sentence.text):  # what a member gave leads nowhere
                yield replace(sentence, text=without_mentions(sentence.text))


def extract(question: str, passages: Sequence[Passage], language: str) -> list[Sentence]:
    """The answer's pieces, to be joined without a separator. Pure: the same input gives the same answer."""
    scored = [_Scored.of(passage) for passage in passages]
    weights = _weights(question, scored)
    seeks_way = form_of(question).seeks_way
    runs = [
        run for number, each in enumerate(scored) for run in _runs(number, each, weights, seeks_way, RANK_SHARE**number)
    ]
    if not runs:
        return []
    first = max(runs, key=lambda run: (run.score, -run.passage))
    chosen = [first]
    second = _second(first, runs, scored, weights)
    if second is not None:
        chosen.append(second)
    sentences: list[Sentence] = []
    for number, run in enumerate(chosen, start=1):
        passage = passages[run.passage]
        citation = Citation(number, passage.source, passage.heading, passage.text)
        if number > 1:
            heading = passage.heading.rpartition(" › ")[2] or passage.source
            sentences.append(Sentence(f"{ALSO.in_language(language, heading=heading)}\n\n"))
        sentences.extend(_shown(passage.text, scored[run.passage].pieces[run.first : run.last + 1], citation))
    return sentences


# ── what a piece is worth ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Scored:
    """A passage cut to pieces, with the words of each, of all its headings, and of the nearest."""

    text: str
    pieces: list[Piece]
    words: list[frozenset[str]]
    heading: frozenset[str]
    title: frozenset[str]

    @classmethod
    def of(cls, passage: Passage) -> _Scored:
        cut: list[Piece] = []
        breaks = 0
        for piece in pieces(passage.text):
            if piece.end - piece.start > MAX_PIECE_CHARS:
                if cut and _announces(passage.text, cut[-1]):
                    cut.pop()
                breaks += 1  # nothing runs on over what is left out
            else:
                cut.append(replace(piece, section=piece.section + breaks))
        words = [frozenset(tokens(passage.text[piece.start : piece.end])) for piece in cut]
        title = passage.heading.rpartition(" › ")[2]
        heading = frozenset(tokens(f"{passage.heading} {passage.source}"))
        return cls(passage.text, cut, words, heading, frozenset(tokens(title)))


_COMES = re.compile(
    r"如下(?:表|图)?(?:所示|所列)?[。.]?$|(?:见|如)下表[。.]?|(?:following|below)(?:\s+table)?\.?$|table\s+below\b",
    re.IGNORECASE,
)


def _announces(text: str, piece: Piece) -> bool:
    """Whether a piece ends in a colon, or says that a table or a list comes."""
    if piece.kind in (Kind.CODE, Kind.ROW):
        return False
    said = text[piece.start : piece.end].rstrip("*_ ")
    return said.endswith((":", "：")) or _COMES.search(said) is not None


def _weights(question: str, scored: Sequence[_Scored]) -> dict[str, float]:
    """What each word of the question counts: rare in general, and not in every piece at hand."""
    count = sum(len(each.pieces) for each in scored)
    weights: dict[str, float] = {}
    for word in dict.fromkeys(content(question) or tokens(question)):
        holding = sum(word in words for each in scored for words in each.words)
        general = min(1.0, -math.log(chance(word)) / 6)
        weights[word] = general * math.log1p((count + 1) / (holding + 1))
    return weights


def _runs(
    number: int, scored: _Scored, weights: dict[str, float], seeks_way: bool, rank_share: float
) -> Iterator[_Run]:
    """Every run of neighbouring pieces under one heading that fits, with its score; none that holds no word."""
    # The headings further up name the subject, which a question may say along; alone they ask for nothing.
    above = scored.heading if scored.title & weights.keys() else scored.title
    titled = sum(weight for word, weight in weights.items() if word in above)
    share = TITLE_SHARE if titled >= MOST * sum(weights.values()) else HEADING_SHARE
    for first, piece in enumerate(scored.pieces):
        held: set[str] = set()
        code, rows = False, 0
        for last in range(first, len(scored.pieces)):
            following = scored.pieces[last]
            chars = following.end - piece.start
            rows += following.end - following.start if following.kind is Kind.ROW else 0
            most = MAX_TABLE_CHARS if rows else MAX_CHARS
            if following.section != piece.section or (chars > most and last > first):
                break
            held |= scored.words[last] & weights.keys()
            code = code or following.kind is Kind.CODE
            own = sum(weights[word] for word in held)
            under = share * sum(
                weight for word, weight in weights.items() if word in scored.heading and word not in held
            )
            if own + under <= 0:
                continue
            early = 1 / (1 + 0.15 * first)
            score = (own + under * early) * (1.15 if code and seeks_way else 1.0)
            score *= rank_share * _length_share(chars - (1 - ROW_SHARE) * rows) * _shape_share(scored, first, last)
            yield _Run(number, first, last, score)


def _length_share(chars: float) -> float:
    """Crumbs say too little, and long runs bury what was asked."""
    return min(1.0, 0.6 + chars / 150) / (1 + max(0, chars - 200) / 1_200)


def _shape_share(scored: _Scored, first: int, last: int) -> float:
    """A run reads badly that announces something (“as follows:”) without it, begins amid a list or with the listing
    that the sentence before it announced, or ends before the list does."""
    share = 1.0
    opening, before = scored.pieces[first], scored.pieces[first - 1] if first else None
    if before is not None and before.section == opening.section:
        if opening.kind is Kind.CODE or _announces(scored.text, before):
            share *= 0.8
        elif before.block == opening.block:
            share *= 0.93
    following = scored.pieces[last + 1] if last + 1 < len(scored.pieces) else None
    if following is not None and following.block == scored.pieces[last].block and following.kind is Kind.ITEM:
        share *= 0.8 if scored.pieces[first].block != following.block else 0.95
    if following is not None and following.block == scored.pieces[last].block and following.kind is Kind.ROW:
        share *= 0.9
    code_follows = following is not None and following.kind is Kind.CODE and scored.pieces[last].kind is not Kind.CODE
    if following is not None and following.kind is Kind.ROW and scored.pieces[last].kind is Kind.SENTENCE:
        share *= 0.7  # a table says more than the words above it
    if _announces(scored.text, scored.pieces[last]) or (
        code_follows and following is not None and following.section == opening.section
    ):
        share *= 0.6
    return share


def _second(first: _Run, runs: Sequence[_Run], scored: Sequence[_Scored], weights: dict[str, float]) -> _Run | None:
    """The best run of another passage that adds a word of the question to those of the first and its headings, when it
    is good enough."""

    def held(run: _Run) -> set[str]:
        words = scored[run.passage].words[run.first : run.last + 1]
        return {word for each in words for word in each} & weights.keys()

    shown = held(first) | (scored[first.passage].heading & weights.keys())
    candidates = [
        run
        for run in runs
        if run.passage != first.passage
        and run.score >= SECOND_SHARE * first.score
        and scored[run.passage].pieces[run.last].end - scored[run.passage].pieces[run.first].start <= MAX_SECOND_CHARS
        and held(run) - shown
    ]
    return max(candidates, key=lambda run: run.score, default=None)


# ── how it is shown ──────────────────────────────────────────────────────────────────────────────────────


def _shown(text: str, run: Sequence[Piece], citation: Citation) -> Iterator[Sentence]:
    """The run as Markdown, one block at a time: verbatim stretches, the mark at the end of each block of words."""
    blocks: list[list[Piece]] = []
    for piece in run:
        if blocks and blocks[-1][-1].block == piece.block and blocks[-1][-1].kind is piece.kind:
            blocks[-1].append(piece)
        else:
            blocks.append([piece])
    words = any(block[0].kind in (Kind.SENTENCE, Kind.ITEM) for block in blocks)
    for block in blocks:
        stretch = text[block[0].start : block[-1].end]
        header = block[0].header
        if header is not None:
            stretch = f"{text[header[0] : header[1]]}\n{stretch}"
        if block[0].kind in (Kind.SENTENCE, Kind.ITEM):
            stretch += f" [{citation.number}]"
        elif not words:
            stretch += f"\n\n[{citation.number}]"
        yield Sentence(f"{stretch}\n\n", (citation,))
