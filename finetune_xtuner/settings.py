"""Settings of who the bot is: the ``identity`` section of ``config.yaml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class IdentitySettings(BaseModel):
    """One line is enough: ``identity: {form: identity.yaml}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Path = Field(description="The form that says who it is, as `maodou finetune data` reads it.")
    taught: bool = Field(False, description="The model was trained on this form, and is asked without it.")
    max_sentences: int = Field(3, ge=1)
    max_answer_chars: int = Field(300, ge=20)
    max_answer_tokens: int = Field(120, ge=16)
    timeout_s: float = Field(15.0, gt=0, description="Until its own words take the model's place.")
