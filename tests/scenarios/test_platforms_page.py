"""The page of what each platform can do says what the adapters say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from maodou.capabilities import LACKS, NAMES, Lack, of_the_adapters, page

PAGE = Path(__file__).parents[2] / "docs" / "platforms.md"


def test_the_page_is_what_the_adapters_say_now(tmp_path: Path) -> None:
    found = of_the_adapters(tmp_path)
    assert list(found) == list(NAMES)
    assert PAGE.read_text("utf-8") == page(found), "python -m maodou.capabilities > docs/platforms.md"


def test_a_capability_that_changes_shows(tmp_path: Path) -> None:
    """The twin: the page is made from what the adapters say, and from nothing else."""
    found = of_the_adapters(tmp_path)
    found["discord"] = replace(found["discord"], voice=False, max_chars=77)
    assert PAGE.read_text("utf-8") != page(found)
    assert "77" in page(found)


def test_what_a_platform_cannot_do_is_explained(tmp_path: Path) -> None:
    for name, can in of_the_adapters(tmp_path).items():
        assert can.threads or name in LACKS[Lack.THREADS][0]
    assert set(LACKS) == set(Lack)
    assert all(set(names) < set(NAMES) for names, _ in LACKS.values())
