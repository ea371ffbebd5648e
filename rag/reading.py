"""Limits of reading files that are packed: PDF and Word. A section of the ``knowledge`` settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Reading(BaseModel):
    """``max_packed_bytes``: of a PDF or Word file, most of which is pictures; text files have ``max_file_bytes``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_packed_bytes: int = Field(default=50_000_000, ge=1)
    max_unpacked_bytes: int = Field(default=50_000_000, ge=1)
    """Of a Word file's text and its markup, unpacked; of a PDF's text, in characters."""
    max_pages: int = Field(default=3_000, ge=1)
    pdf_timeout_s: int = Field(default=60, ge=1)
    pdf_memory_bytes: int = Field(default=1_000_000_000, ge=200_000_000)
