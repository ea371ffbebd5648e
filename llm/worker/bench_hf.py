"""One arm of the bench, in a process of its own: transformers. Memory, speed, first token and greedy answers."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MIB = 2**20


def tell(**what: Any) -> None:
    sys.stdout.write(f"@maodou {json.dumps(what)}\n")
    sys.stdout.flush()


def used_mib(device: str) -> float:
    """Of the device; on a processor, of this process (resident)."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return float(total - free) / MIB
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def forget_peak(device: str) -> None:
    """From here on the peak is counted anew (``man 5 proc_pid_clear_refs``)."""
    if device != "cuda":
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib(device: str) -> float:
    """Of this process since then: its cache of keys and values is given back when the work is done. On a device
    torch's allocator keeps what it took, so what is used then is the peak."""
    if device == "cuda":
        return used_mib(device)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1_024 for line in lines if line.startswith("VmHWM"))


def rows(tokenizer: Any, prompts: list[str], batch: int, tokens: int) -> torch.Tensor:
    """``(batch, longest)`` prompts of one length, so that nothing is padded: repeated, cut to half of ``tokens``."""
    asked = [tokenizer(prompts[number % len(prompts)])["input_ids"] for number in range(batch)]
    longest = min(max(map(len, asked)), tokens // 2)
    return torch.tensor([(ids * longest)[:longest] for ids in asked])


def chats(tokenizer: Any, prompts: list[str]) -> list[str]:
    if tokenizer.chat_template is None:
        return prompts
    return [
        tokenizer.apply_chat_template([{"role": "user", "content": each}], tokenize=False, add_generation_prompt=True)
        for each in prompts
    ]


def main(file: str) -> None:
    job = json.loads(Path(file).read_text("utf-8"))
    device, (batch, tokens) = job["device"], job["shape"]
    torch.manual_seed(0)
    if job["threads"]:
        torch.set_num_threads(job["threads"])
    empty = used_mib(device)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model: Any = (
        AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"])).to(device).eval()
    )
    ids = rows(tokenizer, job["prompts"], batch, tokens).to(device)
    new = tokens - ids.shape[1]

    def generate(prompt: torch.Tensor, count: int, least: int) -> torch.Tensor:
        with torch.inference_mode():
            out: torch.Tensor = model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=count,
                min_new_tokens=least,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id or 0,
            )
        if device == "cuda":
            torch.cuda.synchronize()
        return out[:, prompt.shape[1] :]

    generate(ids[:1], 4, 4)
    before = used_mib(device)
    began = time.perf_counter()
    generate(ids[:1], 1, 1)
    first = time.perf_counter() - began
    forget_peak(device)
    began = time.perf_counter()
    made = generate(ids, new, new)
    seconds = time.perf_counter() - began
    after = peak_mib(device)
    answers = []
    for chat in chats(tokenizer, job["prompts"]) if job["answers"] else []:
        prompt = torch.tensor([tokenizer(chat, add_special_tokens=False)["input_ids"]], device=device)
        answers.append(tokenizer.decode(generate(prompt, job["answer_tokens"], 1)[0], skip_special_tokens=True))
    tell(
        empty_mib=empty, before_mib=before, after_mib=after, tok_s=made.numel() / seconds, ttft_ms=first * 1_000,
        new_tokens=int(made.numel()), seconds=seconds, answers=answers,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
