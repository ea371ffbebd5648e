"""``make setup``: how far pip is, and what to do where it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maodou.installing import AGAIN, FULL, OFFLINE, Progress
from tests.blocking import ROOT

FINDING = (
    "Looking in indexes: https://pypi.org/simple\n",
    "Obtaining file:///home/anna/maodou\n",
    "  Installing build dependencies: started\n",
    "Collecting numpy==2.4.6 (from maodou==0.1.0)\n",
    "  Obtaining dependency information for numpy==2.4.6 from https://files.pythonhosted.org/numpy.whl.metadata\n",
    "  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (62 kB)\n",
    "Processing /wheels/faiss_cpu-1.15.1-cp310-abi3-manylinux_2_28_x86_64.whl (from maodou==0.1.0)\n",
    "Requirement already satisfied: pip in ./.venv/lib/python3.11/site-packages (23.2.1)\n",
    "Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (16.6 MB)\n",
    "  Using cached gradio-6.31.0-py3-none-any.whl (24.4 MB)\n",
)
LOST = "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/numpy/\n"


def after(*lines: str) -> Progress:
    progress = Progress()
    for line in lines:
        progress.read(line)
    return progress


def test_it_counts_what_is_found_downloaded_and_installed() -> None:
    assert after(*FINDING).told(0) == "  正在下载 · downloading: 2 个包 packages, 41 MB"
    last = after(*FINDING, "Installing collected packages: numpy, faiss-cpu, gradio\n")
    assert last.told(2) == "  正在安装 · installing: 2 / 3"
    assert last.told(7) == "  正在安装 · installing: 3 / 3"


def test_a_network_that_is_away_is_said_until_it_is_back() -> None:
    assert "trying again" in after(*FINDING, LOST).told(0)
    assert "3 个包" in after(*FINDING, LOST, "Collecting gradio==6.31.0\n").told(0)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((LOST, "ERROR: No matching distribution found for numpy\n"), OFFLINE),
        (("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",), FULL),
        (("  error: subprocess-exited-with-error\n",), AGAIN),
    ],
)
def test_each_failure_says_what_to_do(lines: tuple[str, ...], told: str) -> None:
    assert after(*FINDING, *lines).advice().endswith(told)


def test_what_pip_says_is_told_but_for_what_only_follows_from_the_network() -> None:
    wrong = "ERROR: Cannot install a and b because these package versions have conflicting dependencies.\n"
    assert after(wrong).advice() == f"  {wrong}{AGAIN}"
    assert after(LOST, wrong).advice() == OFFLINE


# ── with pip itself ──────────────────────────────────────────────────────────────────────────────────────


def install(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    return subprocess.run(
        [sys.executable, "-m", "maodou.installing", *arguments],
        cwd=ROOT,
        env={**environment, **offline, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_package_is_installed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "bean"\nversion = "1"\n[tool.setuptools]\npackages = []\n'
    )
    ended = install("--target", tmp_path / "there", "--no-build-isolation", "--no-deps", tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("  正在下载 · downloading\n")
    assert "  装好了 · installed (" in ended.stdout
    assert (tmp_path / "there" / "bean-1.dist-info").is_dir()


def test_without_a_network_it_fails_with_what_to_do(tmp_path: Path) -> None:
    ended = install("--target", tmp_path / "there", "bean-that-nobody-made")
    assert ended.returncode == 1
    assert "没有装成 · it could not be installed" in ended.stdout
    assert ended.stderr == OFFLINE


def test_it_needs_nothing_that_is_not_installed_yet() -> None:
    code = "import maodou.installing"
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, '.'); {code}"], cwd=ROOT, check=True
    )
