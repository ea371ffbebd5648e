"""Environments are made whole or not at all, from their lock, by the real venv and pip and a wheel of our own."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from llm.environments import EnvironmentFailed, Recipe, ensure, find, making, names, read
from llm.environments.making import MARKER, why_of
from llm.environments.recipe import parse

LOCK = """# about: a small one
# python: {python}
# requires: tinypod==1.0
# imports: {imports}
# download_mib: 1
# disk_mib: {disk_mib}
tinypod==1.0
"""


def wheel(folder: Path) -> None:
    """A package ``tinypod`` with one constant, as a wheel (PEP 427)."""
    files = {
        "tinypod.py": "PODS = 3\n",
        "tinypod-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tinypod\nVersion: 1.0\n",
        "tinypod-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any",
    }
    record = "".join(f"{name},sha256={_sha(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(folder / "tinypod-1.0-py3-none-any.whl", "w") as archive:
        for name, text in {
            **files,
            "tinypod-1.0.dist-info/RECORD": f"{record}tinypod-1.0.dist-info/RECORD,,\n",
        }.items():
            archive.writestr(name, text)


def _sha(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip finds packages in this folder and nowhere else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def use(monkeypatch: pytest.MonkeyPatch, *, imports: str = "tinypod", disk_mib: int = 30, python: str = "") -> Recipe:
    python = python or f"{making.sys.version_info.major}.{making.sys.version_info.minor}"
    recipe = parse("small", LOCK.format(imports=imports, disk_mib=disk_mib, python=python))
    monkeypatch.setattr(making, "read", lambda name: recipe)
    return recipe


def test_every_lock_pins_what_it_asks_for() -> None:
    assert {"lmdeploy", "lmdeploy-cpu"} <= set(names())
    for name in names():
        recipe = read(name)
        pinned = {pin.split("==")[0].lower().replace("_", "-") for pin in recipe.pins}
        assert all("==" in pin for pin in recipe.pins), name
        for wish in recipe.requires:
            assert wish.split("==")[0].split("[")[0].lower().replace("_", "-") in pinned, (name, wish)
        assert recipe.disk_mib > recipe.download_mib > 0


def test_a_lock_that_says_nothing_of_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="disk_mib is missing"):
        parse("x", "# about: x\n# python: 3.11\n# requires: a\n# imports: a\n# download_mib: 1\na==1\n")
    with pytest.raises(ValueError, match="none of the keys"):
        parse("x", "# colour: green\n")


def test_it_is_made_once_and_holds_what_the_lock_says(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(index)
    recipe = use(monkeypatch)
    half = tmp_path / "environments" / f"small-{recipe.digest(recipe.pythons[0])}"
    half.mkdir(parents=True)
    (half / "left.over").write_text("")  # of a making that was cut off: there is no marker
    assert find("small", half.parent) is None
    told: list[str] = []
    made = ensure("small", tmp_path / "environments", lambda done, total, what: told.append(what))
    said = subprocess.run([made.python, "-c", "import tinypod; print(tinypod.PODS)"], capture_output=True, text=True)
    assert said.stdout == "3\n"
    assert made.versions()["tinypod"] == "1.0"
    assert "tinypod" in told
    assert not (half / "left.over").exists()
    marked = (made.folder / MARKER).stat().st_mtime_ns
    assert ensure("small", tmp_path / "environments") == made == find("small", tmp_path / "environments")
    assert (made.folder / MARKER).stat().st_mtime_ns == marked


def test_another_lock_or_another_python_is_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = use(monkeypatch)
    digests = {recipe.digest("3.11"), recipe.digest("3.12"), use(monkeypatch, disk_mib=31).digest("3.11")}
    assert len(digests) == 3


def test_a_package_that_is_not_there_is_said_and_leaves_nothing(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch)
    with pytest.raises(EnvironmentFailed, match=r"could not be made: .*tinypod.*What was said is in"):
        ensure("small", tmp_path / "environments")
    assert [each for each in (tmp_path / "environments").iterdir() if each.is_dir()] == []


def test_without_a_network_the_sentence_names_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    use(monkeypatch)
    with pytest.raises(EnvironmentFailed, match="the package index cannot be reached"):
        ensure("small", tmp_path)


def test_what_cannot_be_imported_does_not_count_as_made(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(index)
    use(monkeypatch, imports="tinypod missing_part")
    with pytest.raises(EnvironmentFailed, match="No module named 'missing_part'"):
        ensure("small", tmp_path)
    assert find("small", tmp_path) is None


def test_too_little_room_is_said_before_anything_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, disk_mib=500)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 0, 100 * 2**20))
    with pytest.raises(EnvironmentFailed, match=r"needs 501 MiB in .*, where 100 MiB are free"):
        ensure("small", tmp_path)
    assert [each for each in tmp_path.iterdir() if each.is_dir()] == []


def test_a_python_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, python="3.7")
    with pytest.raises(EnvironmentFailed, match=r"needs Python 3\.7"):
        ensure("small", tmp_path)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(EnvironmentFailed, match=r"there are .*lmdeploy"):
        ensure("nothing", Path("/nowhere"))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: … Temporary failure in name resolution", "the package index cannot be reached"),
        ("ensurepip is not available.", "python3-venv"),
        ("safetensors_rust.SafetensorError: I/O error: File too large (os error 27)", "the disk is full"),
        ("RuntimeError: PytorchStreamWriter failed writing file data/0: file write failed", "the disk is full"),
        ("pickle.UnpicklingError: no pickle", "UnpicklingError: no pickle"),
        ("ERROR: No matching distribution found for x==1", "No matching distribution found for x==1"),
    ],
)
def test_what_pip_said_in_a_few_words(line: str, why: str) -> None:
    assert why in why_of(["Collecting x", line, ""])


def test_without_an_error_the_last_word_is_told() -> None:
    assert why_of(["Loading weights: 0%", "Segmentation fault", ""]) == "Segmentation fault"
    assert why_of(["", " "]) == "it said nothing"
