"""A random Llama of some 200 kB in Hugging Face's layout, with a tokenizer of either kind, made by the real libraries.

Its weights are large, so that its greedy answers do not hang on the last bit of a logit. It knows nothing.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

# Before torch is imported: set_num_threads does not reach the threads of its backward pass, and two of those on a
# busy machine wait for each other most of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MARKS = ("<|im_start|>", "<|im_end|>")
TEXTS = (
    "毛豆是一个群聊助手，它从社区自己的文档里回答问题，也会在该沉默的时候沉默。",
    "Maodou answers from the community's own documents and stays silent when it should.",
    "怎么安装？先运行 make run，再打开浏览器。 How do I install it? Run make run first, 123 times.",
    "量化以后的模型要检查：权重误差、困惑度和回答是否一致。 def f(x): return x + 1",
)


def byte_bpe(folder: Path, size: int = 400) -> Any:
    """Byte-level BPE in the manner of GPT-2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<s>", "</s>", *MARKS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator(TEXTS * 3, trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token="<s>", eos_token="<|im_end|>", additional_special_tokens=[MARKS[0]]
    )
    made.chat_template = TEMPLATE
    made.save_pretrained(folder)
    return made


def sentencepiece(folder: Path, size: int = 420) -> Any:
    """SentencePiece BPE with bytes for what it does not know, in the layout of Llama 2 and InternLM2."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3),
        model_writer=model,
        vocab_size=size,
        model_type="bpe",
        byte_fallback=True,
        user_defined_symbols=list(MARKS),
        add_dummy_prefix=True,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    config = {
        "tokenizer_class": "LlamaTokenizer",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "add_bos_token": True,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return SentencePieceProcessor(model_proto=model.getvalue())


def write(folder: Path, vocab: int, *, seed: int = 0, hidden: int = 128, layers: int = 2, **config: Any) -> Any:
    """The model, in float16 on the disk and float32 in what is returned."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    given: dict[str, Any] = {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.15,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 3,
        **config,
    }
    model = LlamaForCausalLM(LlamaConfig(**given)).half()
    model.save_pretrained(folder)
    return model.float().eval()


def as_internlm2(folder: Path, into: Path) -> None:
    """The same weights in InternLM2's layout: one matrix for queries, keys and values, other names."""
    import torch
    from safetensors.torch import load_file, save_file

    config = json.loads((folder / "config.json").read_text())
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    size = config["hidden_size"] // heads
    stored = load_file(folder / "model.safetensors")
    renamed = {
        "model.tok_embeddings.weight": stored["model.embed_tokens.weight"],
        "model.norm.weight": stored["model.norm.weight"],
        "output.weight": stored["lm_head.weight"],
    }
    for layer in range(config["num_hidden_layers"]):
        old, new = f"model.layers.{layer}.", f"model.layers.{layer}."
        parts = [
            stored[f"{old}self_attn.{part}_proj.weight"].view(groups, -1, size, config["hidden_size"]) for part in "qkv"
        ]
        renamed[f"{new}attention.wqkv.weight"] = torch.cat(parts, 1).reshape(-1, config["hidden_size"]).contiguous()
        for theirs, ours in (
            ("attention.wo", "self_attn.o_proj"),
            ("feed_forward.w1", "mlp.gate_proj"),
            ("feed_forward.w2", "mlp.down_proj"),
            ("feed_forward.w3", "mlp.up_proj"),
            ("attention_norm", "input_layernorm"),
            ("ffn_norm", "post_attention_layernorm"),
        ):
            renamed[f"{new}{theirs}.weight"] = stored[f"{old}{ours}.weight"]
    into.mkdir()
    save_file(renamed, into / "model.safetensors", {"format": "pt"})
    told = {**config, "model_type": "internlm2", "architectures": ["InternLM2ForCausalLM"], "bias": False}
    (into / "config.json").write_text(json.dumps(told))
    for file in folder.iterdir():
        if file.name.startswith(("tokenizer", "special")):
            (into / file.name).write_bytes(file.read_bytes())


def teach(folder: Path, ids: list[list[int]], steps: int = 150) -> None:
    """Train the model in ``folder`` on these sequences until it knows them by heart."""
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    longest = max(map(len, ids))
    batch = torch.tensor([[*row, *[row[-1]] * (longest - len(row))] for row in ids])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        loss = model(batch, labels=batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.half().save_pretrained(folder)
