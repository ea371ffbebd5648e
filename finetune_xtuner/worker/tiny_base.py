"""Makes and pretrains a small Llama with a tokenizer of its own, from texts and conversations of ours: the base for the
demonstration and the tests. Nothing is downloaded.

The texts are read as they are, the conversations through the chat template with a loss on all of their words.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from finetune_xtuner.worker.masks import NOT_LEARNT, padded
from finetune_xtuner.worker.telling import tell

SPECIAL = ("<|pad|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT_TOKENS = 2_048
HEAD_WIDTH = 32
INITIAL_RANGE = 0.08
"""With the usual .02 the logits of a narrow random model cannot grow beyond a few units, and adapters learn nothing."""


def run(job: dict[str, Any]) -> dict[str, object]:
    """``texts``: strings; ``rows``: lists of messages; ``out``: a folder that is there and empty."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(int(job["threads"]))
    torch.manual_seed(job["seed"])
    dice = random.Random(job["seed"])
    tokenizer = _tokenizer(job["texts"], job["rows"], int(job["vocabulary"]))
    width = int(job["width"])
    config = LlamaConfig(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=width,
        intermediate_size=width * 3,
        num_hidden_layers=int(job["layers"]),
        num_attention_heads=width // HEAD_WIDTH,
        num_key_value_heads=width // HEAD_WIDTH,
        max_position_embeddings=CONTEXT_TOKENS,
        initializer_range=INITIAL_RANGE,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    pieces = _pieces(tokenizer, job["texts"], int(job["max_tokens"]))
    talks = [_ids(tokenizer, tokenizer.apply_chat_template(row, tokenize=False)) for row in job["rows"]]
    steps, size, rate = int(job["steps"]), int(job["batch_size"]), float(job["learning_rate"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.05)
    loss_now = math.nan
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 20) * (0.05 + 0.95 * (1 - step / steps))
        of_texts = round(size * job["texts_share"]) if pieces else 0
        batch = dice.sample(pieces, min(of_texts, len(pieces))) + dice.choices(talks, k=size - of_texts)
        rows = [{"input_ids": ids, "labels": list(ids)} for ids in batch]
        tensors = {name: torch.tensor(ids) for name, ids in padded(rows, tokenizer.pad_token_id)}
        tensors["labels"][tensors["attention_mask"] == 0] = NOT_LEARNT
        loss = model(**tensors).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss_now = loss.item()
        tell("step", step=step + 1, of=steps, loss=loss_now)
    out = Path(job["out"])
    model.eval()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "README.md").write_text(
        "A small base made by `make model-demo`; it knows a few hundred sentences.\n", "utf-8"
    )
    return {
        "parameters": sum(each.numel() for each in model.parameters()),
        "loss": loss_now,
        "vocabulary": len(tokenizer),
    }


def _tokenizer(texts: list[str], rows: list[list[dict[str, str]]], size: int) -> Any:
    """Byte-level BPE over exactly this material. No merge joins two Chinese characters: whole questions would become
    tokens, and a question that is worded a little differently would share none with it. Once learnt, the merges alone
    keep it so, and the tokenizer needs no rule that other readers of it lack."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False)
    each = pre_tokenizers.Split(Regex(r"[\u3400-\u9fff]"), "isolated")
    raw.pre_tokenizer = pre_tokenizers.Sequence([each, plain])
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    said = [message["content"] for row in rows for message in row]
    raw.train_from_iterator([*texts, *said, "user\nassistant\nsystem\n"], trainer)
    raw.pre_tokenizer = plain
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        additional_special_tokens=[SPECIAL[1]],
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _pieces(tokenizer: Any, texts: list[str], length: int) -> list[list[int]]:
    """The texts in pieces of ``length`` tokens."""
    ids = [token for text in texts for token in (*_ids(tokenizer, text), tokenizer.eos_token_id)]
    return [ids[begin : begin + length] for begin in range(0, len(ids) - length, length)]
