"""The heading that asks the question: the plainest sign that its passage answers it, however short both are.

“How do I install it?” has one word that counts, which says little to the statistics of a base; but where a passage
stands under “How to install and start it”, whoever asked us so is asking for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.retrieve import Hit
from search.tokenise import content

LOOKED_AT = 3
"""Of the best passages."""


def last_heading(hit: Hit) -> str:
    """The heading right above the passage."""
    return hit.passage.heading.rpartition(" › ")[2]


def asks_for_one(text: str, hits: Sequence[Hit]) -> bool:
    """Whether all that ``text`` is about stands in the heading of one of the best passages."""
    words = set(content(text))
    return bool(words) and any(words <= set(content(last_heading(hit))) for hit in hits[:LOOKED_AT])


def those_first(text: str, hits: Sequence[Hit]) -> list[Hit]:
    """The hits with those in front whose heading is about ``text``: the less it is about besides, the further."""
    words = set(content(text))

    def share(hit: Hit) -> float:
        heading = set(content(last_heading(hit)))
        return len(words) / len(heading) if words and words <= heading else 0.0

    return sorted(hits, key=share, reverse=True)
