"""What the knowledge stores: bases, their documents, and the chunks these are split into. SQL is the truth.

``bases.watermark`` grows with every change to a base: an index knows from one number whether it is fresh, and from
the documents' hashes what to read again. Ids are never used twice, so that nothing which remembers one can mean
another document by it. Times are Unix seconds.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bot.store import metadata
from bot.tables import Id

bases = Table(
    "kb_bases",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, unique=True),
    Column("watermark", BigInteger, nullable=False, server_default=text("0")),
    Column("made_at", Double, nullable=False),
    sqlite_autoincrement=True,
)

documents = Table(
    "kb_documents",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("base_id", Id, ForeignKey(bases.c.id, ondelete="CASCADE"), nullable=False),
    Column("root", Text, nullable=False),  # the folder that was added, absolute
    Column("source", Text, nullable=False),  # the file's path relative to it, with "/"
    Column("status", Text, nullable=False),  # rag.library.Status
    Column("reason", Text, nullable=False, server_default=""),  # rag.readers.Refusal, when it was refused or kept
    Column("title", Text, nullable=False, server_default=""),
    Column("hash", Text, nullable=False),  # of the bytes, the reader's and the splitter's version
    Column("bytes", BigInteger, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("added_by", Text, nullable=False, server_default=""),  # the member who gave it; empty: an operator did
    UniqueConstraint("base_id", "root", "source"),
    sqlite_autoincrement=True,
)

chunks = Table(
    "kb_chunks",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("document_id", Id, ForeignKey(documents.c.id, ondelete="CASCADE"), nullable=False),
    Column("ordinal", Integer, nullable=False),  # its place in the document, from 0: neighbours are ± 1
    Column("heading", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("hash", Text, nullable=False),  # of what an embedding sees of it
    Index("ix_kb_chunks_document_id", "document_id", "ordinal"),
    sqlite_autoincrement=True,
)

vectors = Table(
    "kb_vectors",
    metadata,
    Column("model", Text, nullable=False),
    Column("hash", Text, nullable=False),  # chunks.hash: text that comes again needs no second embedding
    Column("vector", LargeBinary, nullable=False),  # float16, little-endian, unit length
    PrimaryKeyConstraint("model", "hash"),
)

nodes = Table(
    "kb_nodes",
    metadata,
    Column("chunk_id", Id, ForeignKey(chunks.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("base_id", Id, ForeignKey(bases.c.id, ondelete="CASCADE"), nullable=False),
    Column("node_id", Text, nullable=False),  # LlamaIndex's own id of a chunk that came through its interface
    Column("node", Text, nullable=False),  # the node as LlamaIndex serialises it, without text and embedding
    UniqueConstraint("base_id", "node_id"),
)

examples = Table(
    "kb_examples",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("base_id", Id, ForeignKey(bases.c.id, ondelete="CASCADE"), nullable=False),
    Column("digest", Text, nullable=False),  # of the folded text: the same message is one example
    Column("text", Text, nullable=False),
    Column("good", Boolean, nullable=False),  # whether the base's documents can answer it
    Column("by", Text, nullable=False, server_default=""),  # the member who gave it; empty: imported
    Column("at", Double, nullable=False),
    Column("author", Text, nullable=False, server_default=""),  # the member whose message it was, when that is known
    Column("weight", Double, nullable=False, server_default=text("1")),  # less than 1 for what reactions suggested
    UniqueConstraint("base_id", "digest"),
    sqlite_autoincrement=True,
)

gates = Table(
    "kb_gates",
    metadata,
    Column("bases", Text, primary_key=True),  # names of the bases whose examples it learnt, one a line
    Column("fingerprint", Text, nullable=False),  # of all that it was made from
    Column("fitted", Text, nullable=False),  # rag.gate.fitted.dump
    Column("at", Double, nullable=False),
)

uploads = Table(
    "kb_uploads",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("base_id", Id, ForeignKey(bases.c.id, ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),  # of the file; its ending tells how it is read
    Column("data", LargeBinary, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("opening", Text, nullable=False),  # the beginning of its text, for whoever decides
    Column("room", Text, nullable=False),  # where it was given: its moderators decide
    Column("member", Text, nullable=False),
    Column("member_name", Text, nullable=False, server_default=""),
    Column("at", Double, nullable=False),
    Column("message_id", Text, nullable=False, server_default=""),  # of the command that gave it
    Column("file_message_id", Text, nullable=False, server_default=""),  # of the message that carries it
    Index("ix_kb_uploads_room", "room"),
    sqlite_autoincrement=True,
)

cases = Table(
    "kb_cases",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("room", Text, nullable=False),
    Column("message_id", Text, nullable=False),  # of the question
    Column("asker", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("earlier", JSON, nullable=False),  # what was said before it, oldest first, when it leans on that
    Column("addressed", Boolean, nullable=False),
    Column("bases", JSON, nullable=False),  # what the room read
    Column("answer", Text, nullable=False),
    Column("cited", JSON, nullable=False),  # the files that the answer named
    Column("note", Text, nullable=False, server_default=""),  # what members say is wrong, one a line
    Column("reports", Integer, nullable=False, server_default=text("1")),
    Column("reported_by", Text, nullable=False),  # the first who did
    Column("at", Double, nullable=False),
    Column("verdict", Text, nullable=False, server_default="open"),  # rag.cases.Ruled
    Column("source", JSON, nullable=False),  # the files that hold the answer, as a moderator says
    Column("decided_by", Text, nullable=False, server_default=""),
    Column("decided_at", Double),
    Column("earlier_by", JSON),  # of each of ``earlier``: member, message id; None: kept before this was
    Column("note_by", JSON),  # the same of each line of ``note``
    UniqueConstraint("room", "message_id"),
    sqlite_autoincrement=True,
)

weighed = Table(
    "kb_weighed",
    metadata,
    # Answers whose reactions an admin has looked at: confirmed as an example, or set aside.
    Column("room", Text, nullable=False),
    Column("message_id", Text, nullable=False),  # of our answer
    Column("confirmed", Boolean, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("room", "message_id"),
)

sources = Table(
    "kb_sources",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("base_id", Id, ForeignKey(bases.c.id, ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),  # rag.sources.SourceKind
    Column("address", Text, nullable=False),  # a folder, or a repository's address, without a secret
    Column("every_s", Double, nullable=False),  # 0: only when somebody asks
    Column("due_at", Double),  # None: not by itself
    Column("began_at", Double),  # of the sync at hand; one that is left standing was interrupted
    Column("ended_at", Double),
    Column("revision", Text, nullable=False, server_default=""),  # the commit that was read last
    Column("told", Text, nullable=False, server_default=""),  # what the last sync did, or why it failed
    Column("failed", Boolean, nullable=False, server_default=text("false")),
    Column("done", Integer, nullable=False, server_default=text("0")),  # files, of the sync at hand
    Column("total", Integer, nullable=False, server_default=text("0")),
    Column("cancelled", Boolean, nullable=False, server_default=text("false")),  # somebody asks it to end
    UniqueConstraint("base_id", "address"),
    sqlite_autoincrement=True,
)
