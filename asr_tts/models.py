"""Which speech models there are, and where a pulled one lies: shared by the ear and ``maodou voice pull``."""

from __future__ import annotations

import re
from pathlib import Path

MODEL_SIZES_MB = {
    "iic/SenseVoiceSmall": 940,
    "FunAudioLLM/SenseVoiceSmall": 940,
    "iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch": 990,
}
"""About, for the sentence that names ``maodou voice pull``; pulling tells the exact size before it begins."""

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
"""``owner/name``, as both hubs have it; never a path that leads elsewhere."""

COMPLETE = "pulled.json"
"""Written last: a folder without it is a model that is still being pulled."""


def target_of(model: str, models: Path) -> Path:
    """Where a model of a hub is put. Raises ``ValueError`` for a name that is none."""
    if not NAME.fullmatch(model) or ".." in model:
        raise ValueError(f"{model!r} is no model's name: owner/name")
    return models.joinpath(*model.split("/"))


def folder_of(model: str, models: Path) -> Path | None:
    """The folder of a model that can be loaded: a folder that was named, or one that was pulled; None: neither."""
    named = Path(model).expanduser()
    if (named / "config.yaml").is_file():
        return named.absolute()
    try:
        pulled = target_of(model, models)
    except ValueError:
        return None
    return pulled if (pulled / COMPLETE).is_file() else None
