"""What the small base reads: enough language to learn from, and not a word about who it will be."""

from __future__ import annotations

from collections import Counter

from finetune_xtuner.dataset import bare
from finetune_xtuner.form import LANGUAGES, phrasings, read_form
from finetune_xtuner.sample_language import sentences, talks
from finetune_xtuner.sampling import FORM, sample_data


def test_the_base_reads_no_question_that_is_learnt_or_held_out_later() -> None:
    read = {bare(question) for question, _ in talks()}
    about_itself = {
        bare(phrase) for by in phrasings().values() for groups in by.values() for g in groups for phrase in g
    }
    assert read & about_itself == set()
    data = sample_data()
    assert read & {bare(row.question) for row in (*data.train, *data.held_out)} == set()


def test_the_base_reads_nothing_of_the_form() -> None:
    form = read_form(FORM)
    read = "\n".join([*sentences(), *(text for talk in talks() for text in talk)]).casefold()
    for intent in ("who", "maker", "abilities", "manners"):
        for language in LANGUAGES:
            assert form.expected(intent, language).casefold() not in read
            assert form.says(intent, language).casefold() not in read


def test_every_question_is_read_once_and_its_answer_has_no_gap() -> None:
    read = list(talks())
    assert max(Counter(question for question, _ in read).values()) == 1
    for question, answer in read:
        assert not {"{", "}"} & set(question + answer), question
        assert answer[-1] in "。.", answer
        assert answer[0] == answer[0].upper(), answer


def test_both_languages_have_their_share() -> None:
    chinese, english = (len(text) for text in sentences())
    assert chinese > 400
    assert english > 1_500
    ascii_only = sum(question.isascii() for question, _ in talks())
    assert 0.4 < ascii_only / len(list(talks())) < 0.6
