"""The ``identity`` section of ``config.yaml``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.errors import UsageError
from finetune_xtuner.form import read_form
from finetune_xtuner.introduction import FormIntroduction
from finetune_xtuner.sampling import FORM
from maodou.config import load
from maodou.documents import model_of
from maodou.introduction import introduction_of

MODEL = "model: {endpoints: [{url: http://127.0.0.1:9/v1, model: m}]}\n"


def test_the_form_is_found_beside_the_file(tmp_path: Path) -> None:
    shutil.copy(FORM, tmp_path / "identity.yaml")
    (tmp_path / "config.yaml").write_text(MODEL + "identity: {form: identity.yaml}\n")
    settings = load(tmp_path / "config.yaml")
    introduction = introduction_of(settings, model_of(settings))
    assert isinstance(introduction, FormIntroduction)
    assert introduction.is_asked("你是谁")


@pytest.mark.may_block  # settings and form are read before the loop runs
async def test_without_a_form_of_its_own_it_is_maodou(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("sample: false\n")
    introduction = introduction_of(load(tmp_path / "config.yaml"), None)
    assert "毛豆" in "".join(await introduction.about_itself("你是谁", "zh"))


@pytest.mark.may_block  # settings and form are read before the loop runs
async def test_without_a_model_the_form_speaks_for_itself(tmp_path: Path) -> None:
    shutil.copy(FORM, tmp_path / "identity.yaml")
    (tmp_path / "config.yaml").write_text("identity: {form: identity.yaml}\n")
    introduction = introduction_of(load(tmp_path / "config.yaml"), None)
    assert await introduction.about_itself("你是谁", "zh") == (read_form(FORM).says("who", "zh"),)


def test_a_form_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(MODEL + "identity: {form: nowhere.yaml}\n")
    settings = load(tmp_path / "config.yaml")
    with pytest.raises(UsageError, match=r"nowhere\.yaml cannot be read: No such file"):
        introduction_of(settings, model_of(settings))
