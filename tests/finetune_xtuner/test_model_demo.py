"""The whole way: data, base, LoRA, merge, check, W4A16, GGUF, llama.cpp's server, ``maodou up`` – and two questions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from maodou.model_demo import DemoFailed, must_be_the_models
from tests.blocking import ROOT
from tests.conftest import ENVIRONMENTS


@pytest.mark.tuner
@pytest.mark.quantiser
@pytest.mark.llama_server
@pytest.mark.timeout(1_500)
def test_a_model_is_taught_and_says_in_the_web_room_who_it_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "maodou.model_demo", "--environments", ENVIRONMENTS, "--keep", tmp_path / "demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == {"install_s", "run_s", "zh", "en"}
    assert told["zh"].startswith("我是毛豆")
    assert told["en"].startswith("I am Maodou")
    decided = (tmp_path / "demo" / "home" / "maodou.log").read_text("utf-8")
    assert decided.count('"reason": "about_itself"') == 2
    assert decided.count('"event": "identity.said"') == 2  # by the model, not by the form


def test_the_demonstration_fails_when_the_form_spoke_in_the_models_place(tmp_path: Path) -> None:
    log_file = tmp_path / "maodou.log"
    log_file.write_text('{"event": "identity.said"}\n{"event": "identity.not_what_the_form_says"}\n', "utf-8")
    with pytest.raises(DemoFailed, match="answered 1 of 2 questions, and the form spoke in its place"):
        must_be_the_models({"zh": "我是毛豆", "en": "I am Maodou"}, log_file)
