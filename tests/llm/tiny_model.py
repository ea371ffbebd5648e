"""A language model of 2 MB that says one sentence, written as GGUF, for the real llama.cpp to run.

A Llama of one layer whose attention and feed-forward weights are zero: what remains of a transformer is a table from
the last token to the next one. Each word of the sentence is a token; any other token, which is the whole prompt, is
followed by the first word, and the last word by the end. Nothing is trained and nothing is random.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("NO_COLOR", "1")

import gguf
import numpy as np

END = 2
CERTAIN = 30.0
"""The logit of the next token beside zeros for all others."""
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def write(path: Path, sentence: str, context_tokens: int = 8_192) -> None:
    """Make the file. ``sentence``: different words with one blank between them."""
    if len(set(sentence.split(" "))) < len(sentence.split(" ")):
        raise ValueError("a word that comes twice would be followed by the same word twice, for ever")
    words = [f"▁{word}".encode() for word in sentence.split(" ")]
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256)), *words]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * len(words)
    count, first = len(tokens), len(tokens) - len(words)
    width = -(-count // 32) * 32
    follows = np.full(count, first)
    follows[first:] = [*range(first + 1, count), END]
    embedding, output = np.zeros((count, width), np.float32), np.zeros((count, width), np.float32)
    embedding[np.arange(count), np.arange(count)] = 1
    output[follows, np.arange(count)] = CERTAIN

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(context_tokens)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width)
    writer.add_vocab_size(count)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * count)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    writer.add_tensor("output.weight", output)
    shapes = {
        "attn_q": (width, width),
        "attn_k": (width, width),
        "attn_v": (width, width),
        "attn_output": (width, width),
    }
    shapes |= {"ffn_gate": (32, width), "ffn_up": (32, width), "ffn_down": (width, 32)}
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
