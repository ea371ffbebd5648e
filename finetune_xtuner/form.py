"""The form that says who it is, and the questions and answers that follow from it in Chinese and in English.

The questions are ``phrases.json``: by what is asked (``who``, ``maker``, ``abilities``, ``manners``) groups of
phrasings that differ by a word or two. A group is trained on as a whole or held out as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from bot.errors import UsageError
from finetune_xtuner.conversation import Conversation

LANGUAGES = ("zh", "en")
INTENTS = ("who", "maker", "abilities", "manners")
PHRASES = Path(__file__).with_name("phrases.json")

ANSWERS: Mapping[str, Mapping[str, str]] = {
    "who": {"zh": "我是{name}，{maker}做的{role}。", "en": "I am {name}, {role} made by {maker}."},
    "maker": {"zh": "我是{maker}做的。", "en": "I was made by {maker}."},
    "abilities": {"zh": "我能{abilities}。", "en": "I can {abilities}."},
    "manners": {"zh": "{manners}。", "en": "{manners}."},
}
"""How a field of the form is said."""

EXPECTED: Mapping[str, str] = {"who": "name", "maker": "maker", "abilities": "abilities", "manners": "manners"}
"""The field that a right answer holds."""

AROUND: Mapping[str, tuple[str, ...]] = {
    "zh": ("{}", "{}？", "请问{}？", "你好，{}？", "那个，{}"),
    "en": ("{}", "{}?", "Hi, {}?", "Please, {}?", "Well, {}"),
}
"""What people put around a question. All of it stays in the question's group."""

MAX_SHORT_CHARS = 60
"""A longer question stands as it is."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Both(BaseModel):
    """The same in both languages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zh: Words
    en: Words


class Form(BaseModel):
    """Who it is. Each field is a few words, without a full stop: they are put into sentences."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Both
    maker: Both
    role: Both = Field(description="After the name, as in 群聊助手 and “a group-chat assistant”.")
    abilities: Both = Field(description="After “我能” and “I can”.")
    manners: Both = Field(description="A sentence in the first person.")

    def says(self, intent: str, language: str) -> str:
        """The answer to a question of this intent."""
        fields = {name: getattr(getattr(self, name), language) for name in type(self).model_fields}
        return ANSWERS[intent][language].format_map(fields)

    def expected(self, intent: str, language: str) -> str:
        return str(getattr(getattr(self, EXPECTED[intent]), language))

    def ignored(self, intent: str, language: str) -> str:
        """To say who made it is not to say who it is, even where the maker's name holds the bot's."""
        return self.expected("maker", language) if intent == "who" else ""

    def in_words(self, language: str) -> str:
        """All of it, as instructions for a model that was not taught."""
        return " ".join(self.says(intent, language) for intent in INTENTS)


def read_form(path: Path) -> Form:
    """Raises ``UsageError`` with the file, the field and what is allowed."""
    try:
        given = YAML(typ="safe").load(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"The form {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, YAMLError) as error:
        raise UsageError(f"The form {path} is not YAML in UTF-8: {str(error).splitlines()[0]}.") from error
    try:
        return Form.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise UsageError(
            f"The form {path}, {where}: {first['msg']}. It needs {', '.join(Form.model_fields)}."
        ) from error


@cache
def phrasings() -> Mapping[str, Mapping[str, tuple[tuple[str, ...], ...]]]:
    """By intent and language: groups of phrasings."""
    read = json.loads(PHRASES.read_text("utf-8"))
    return {
        intent: {language: tuple(map(tuple, groups)) for language, groups in by_language.items()}
        for intent, by_language in read.items()
    }


def conversations_of(form: Form) -> Iterator[Conversation]:
    """Every phrasing with the form's answer. The first group of each is what nearly everybody asks."""
    for intent, by_language in phrasings().items():
        for language, groups in by_language.items():
            answer, expected = form.says(intent, language), form.expected(intent, language)
            origin = f"form {intent}.{language}"
            for number, group in enumerate(groups):
                name = f"form:{intent}:{language}:{number}"
                for phrase in group:
                    yield Conversation(
                        ((phrase, answer),),
                        name,
                        intent,
                        language,
                        origin,
                        expects=(expected,),
                        ignores=form.ignored(intent, language),
                        always_learnt=number == 0,
                    )


def in_surroundings(row: Conversation) -> Iterator[Conversation]:
    """A short question as people put it: with a mark, with a “please”. Anything else as it is."""
    bare = row.question.rstrip("?？")
    if len(row.exchanges) > 1 or len(bare) > MAX_SHORT_CHARS or row.language not in AROUND:
        yield row
        return
    for around in AROUND[row.language]:
        yield replace(row, exchanges=((around.format(bare), row.answer),))
