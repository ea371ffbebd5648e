"""Who the bot says it is, from the settings: by a form, in a model's words where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from maodou.config import Settings

if TYPE_CHECKING:
    from bot.ports import ChatModel, Introduction


def introduction_of(settings: Settings, model: ChatModel | None) -> Introduction:
    """Without a form of its own it introduces itself by the one that ships, in that form's words. Raises
    ``UsageError`` where the form cannot be read."""
    import finetune_xtuner
    from finetune_xtuner.form import read_form
    from finetune_xtuner.introduction import FormIntroduction
    from finetune_xtuner.settings import IdentitySettings

    if settings.identity is not None:
        return FormIntroduction(read_form(settings.identity.form), model, settings.identity)
    ships = Path(finetune_xtuner.__file__).parent / "sample" / "identity.yaml"
    return FormIntroduction(read_form(ships), None, IdentitySettings(form=ships))
