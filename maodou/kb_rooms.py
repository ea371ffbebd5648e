"""What rooms can say to the knowledge, joined: ``/kb`` with all that stands under it, and ``/wrong``."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands import Command
from bot.ports import Platform
from bot.store import Store
from maodou.config import Settings
from maodou.documents import Documents
from rag.case_commands import CaseCommands
from rag.cases import CASES
from rag.commands import KnowledgeCommands
from rag.embed import VECTORS
from rag.examples import EXAMPLES
from rag.teaching_commands import TeachingCommands
from rag.upload_commands import UploadCommands
from rag.uploads import UPLOADS

ERASERS = (VECTORS, CASES, UPLOADS, EXAMPLES)
"""What the sweep, a recall and ``/forget me`` erase of the knowledge's."""


def knowledge_commands(
    documents: Documents, store: Store, settings: Settings, platforms: Mapping[str, Platform]
) -> tuple[Command, ...]:
    """The commands, for the registry."""
    cases = CaseCommands(store, settings.knowledge.wrong_per_day)
    teaching = TeachingCommands(store, settings.knowledge.reactions_per_member)
    uploads = UploadCommands(store, documents.library, platforms)
    return KnowledgeCommands(
        documents.library, uploads, documents.sources, (*cases.family, *teaching.family)
    ).command, cases.wrong
