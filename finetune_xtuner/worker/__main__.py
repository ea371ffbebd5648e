"""The way in: a job from the input, its events to the output, exit code 0 or 1."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
import traceback

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from finetune_xtuner.worker.telling import Refused, own_the_output, tell

JOBS = ("train", "merge", "ask", "tiny_base", "unpack")
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "DefaultCPUAllocator")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> int:
    own_the_output()
    job = json.loads(sys.stdin.readline())
    name = job.pop("job")
    if name not in JOBS:
        tell("failed", sentence=f"There is no job {name!r}.")
        return 1
    try:
        module = importlib.import_module(f"finetune_xtuner.worker.{name}")
        tell("done", **module.run(job))
    except Refused as refused:
        tell("failed", sentence=str(refused))
        return 1
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        traceback.print_exc()
        tell("failed", sentence=_sentence(error), unforeseen=True)
        return 1
    return 0


def _sentence(error: BaseException) -> str:
    """What happened, as far as it can be told from an error of a library."""
    said = str(error)
    if (isinstance(error, OSError) and error.errno in FULL) or any(os.strerror(each) in said for each in FULL):
        return "The disk is full: nothing half-written is left in place. Make room and start again."
    if isinstance(error, MemoryError) or any(each in said for each in OUT_OF_MEMORY):
        return "The memory did not suffice: take a smaller batch_size or max_tokens, or four_bit on a CUDA machine."
    return f"{type(error).__name__}: {said.splitlines()[0] if said else 'no message'}."


if __name__ == "__main__":
    sys.exit(main())
