"""What the bot says of itself: by the model, held to the form, and in the form's own words where the model fails.

A question counts as one about itself when its bare words are one of the known phrasings and nothing more: whoever adds
something to it – an instruction, say – asks something else, which goes to the documents. So the model is asked what
the form's authors wrote, in a member's spelling.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing

import structlog

from bot.errors import ModelError
from bot.ports import ChatModel
from bot.texts import language_of
from finetune_xtuner.dataset import bare
from finetune_xtuner.form import Form, phrasings
from finetune_xtuner.likeness import holds, likeness
from finetune_xtuner.settings import IdentitySettings

log = structlog.get_logger(__name__)

MAX_QUESTION_CHARS = 80
LIKE_THE_FORM = 0.5
"""F1 from which on an answer about abilities or manners says what the form says."""

_SENTENCE = re.compile(r".+?(?:[。！？!?]+|\.(?=\s|$)|\n|$)", re.DOTALL)
_REACHES_OUT = re.compile(r"[@＠<>]|://|www\.|\]\(")
"""Mentions, links and markup: a text about itself needs none."""

INSTRUCTIONS = {
    "zh": "你在一个群里。下面是你的身份，只按它回答，用一两句话：{form}",
    "en": "You are in a group chat. This is who you are; answer by it alone, in one or two sentences: {form}",
}


class FormIntroduction:
    """A :class:`bot.ports.Introduction`. Without a model the form's own sentences are said."""

    def __init__(self, form: Form, model: ChatModel | None, settings: IdentitySettings) -> None:
        self._form = form
        self._model = model
        self._settings = settings
        self._intents = {
            bare(phrase): intent
            for intent, by_language in phrasings().items()
            for groups in by_language.values()
            for group in groups
            for phrase in group
        }

    def is_asked(self, text: str) -> bool:
        return len(text) <= MAX_QUESTION_CHARS and bare(text) in self._intents

    async def about_itself(self, text: str, language: str) -> tuple[str, ...]:
        intent = self._intents.get(bare(text), "who")
        if self._model is None:
            return (self._form.says(intent, language),)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                said = await self._asked(self._model, text, language)
        except (ModelError, TimeoutError) as error:
            log.error("identity.model_failed", error=str(error) or "too slow")
            return (self._form.says(intent, language),)
        if not self._holds(said, intent):
            log.warning("identity.not_what_the_form_says", intent=intent, chars=len(said))
            return (self._form.says(intent, language),)
        log.info("identity.said", intent=intent, by="model", chars=len(said))
        return tuple(_SENTENCE.findall(said))[: self._settings.max_sentences]

    async def _asked(self, model: ChatModel, text: str, language: str) -> str:
        """The model's answer, cut at the settings' length."""
        messages = [{"role": "user", "content": text.strip()}]
        if not self._settings.taught:
            instructions = INSTRUCTIONS["zh" if language == "zh" else "en"]
            form = self._form.in_words("zh" if language == "zh" else "en")
            messages.insert(0, {"role": "system", "content": instructions.format(form=form)})
        said = ""
        pieces = model.complete(
            messages, max_tokens=self._settings.max_answer_tokens, timeout_s=self._settings.timeout_s
        )
        async with aclosing(pieces) as told:
            async for piece in told:
                said += piece
                if len(said) > self._settings.max_answer_chars:
                    break
        return said.strip()[: self._settings.max_answer_chars]

    def _holds(self, said: str, intent: str) -> bool:
        """It names what the form names, in either language, and reaches out to nobody."""
        if not said or _REACHES_OUT.search(said):
            return False
        language = "zh" if language_of(said) == "zh" else "en"
        if intent in ("who", "maker"):
            return holds(said, self._form.expected(intent, language), self._form.ignored(intent, language))
        return likeness(said, self._form.says(intent, language)) >= LIKE_THE_FORM
