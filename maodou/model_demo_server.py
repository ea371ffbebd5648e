"""llama.cpp's own HTTP server on a GGUF file, in a process of its own, for the demonstration of models.

``python -m maodou.model_demo_server FILE`` takes its key from ``MODEL_KEY``, prints its address and serves until its
input ends: it never outlives whoever started it.
"""

from __future__ import annotations

import os
import sys

import xllamacpp


def main(model: str) -> None:
    settings = xllamacpp.CommonParams()
    settings.model.path = model
    settings.api_keys = [os.environ["MODEL_KEY"]]
    settings.port = 0
    settings.n_ctx = 2_048
    settings.n_parallel = 1
    settings.warmup = settings.fit_params = False
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(settings)
    sys.stdout.write(f"ready {server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
