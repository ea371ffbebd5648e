"""One arm of the bench, in a process of its own: LMDeploy's TurboMind from Python, on a CUDA device.

The engine logs how large its cache became (``Object cache budget: … MB from free … MB and ratio …``); that line is
read back by the caller, which compares arms on an equal number of tokens.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

MIB = 2**20


def tell(**what: Any) -> None:
    sys.stdout.write(f"@maodou {json.dumps(what)}\n")
    sys.stdout.flush()


def used_mib() -> float:
    free, total = torch.cuda.mem_get_info()
    return float(total - free) / MIB


def rows(tokenizer: Any, prompts: list[str], batch: int, tokens: int) -> list[list[int]]:
    """As :func:`llm.worker.bench_hf.rows` makes them."""
    asked = [tokenizer(prompts[number % len(prompts)])["input_ids"] for number in range(batch)]
    longest = min(max(map(len, asked)), tokens // 2)
    return [(ids * longest)[:longest] for ids in asked]


def main(file: str) -> None:
    job = json.loads(Path(file).read_text("utf-8"))
    batch, tokens = job["shape"]
    from lmdeploy import GenerationConfig, TurbomindEngineConfig, pipeline

    empty = used_mib()
    config = TurbomindEngineConfig(
        model_format="awq" if job["w4"] else None,
        quant_policy=job["kv"] if job["kv"] < 16 else 0,
        cache_max_entry_count=job["ratio"],
        session_len=tokens,
        max_batch_size=batch,
        enable_metrics=False,
    )
    pipe = pipeline(job["model"], backend_config=config, log_level="INFO")
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    prompts = [tokenizer.decode(ids) for ids in rows(tokenizer, job["prompts"], batch, tokens)]
    new = tokens - max(len(tokenizer(prompt)["input_ids"]) for prompt in prompts) - 1

    def settings(count: int, *, end: bool) -> Any:
        least = None if end else count
        return GenerationConfig(max_new_tokens=count, min_new_tokens=least, ignore_eos=not end, do_sample=False)

    pipe(prompts[:1], gen_config=settings(4, end=False), do_preprocess=False)
    before = used_mib()
    began = time.perf_counter()
    first = 0.0
    for _ in pipe.stream_infer(prompts[:1], gen_config=settings(4, end=False), do_preprocess=False):
        first = first or time.perf_counter() - began
    began = time.perf_counter()
    made = pipe(prompts, gen_config=settings(new, end=False), do_preprocess=False)
    seconds = time.perf_counter() - began
    after = used_mib()
    count = sum(each.generate_token_len for each in made)
    answers = []
    if job["answers"]:
        said = pipe(list(job["prompts"]), gen_config=settings(job["answer_tokens"], end=True))
        answers = [each.text for each in said]
    tell(
        empty_mib=empty, before_mib=before, after_mib=after, tok_s=count / seconds, ttft_ms=first * 1_000,
        new_tokens=count, seconds=seconds, answers=answers,
    )  # fmt: skip
    pipe.close()


if __name__ == "__main__":
    main(sys.argv[1])
