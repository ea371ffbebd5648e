"""llama.cpp's own HTTP server, in a process of its own: ``python real_server.py MODEL KEY`` prints its address."""

from __future__ import annotations

import sys
import threading

import xllamacpp


def main(model: str, key: str) -> None:
    settings = xllamacpp.CommonParams()
    settings.model.path = model
    settings.api_keys = [key]
    settings.port = 0
    settings.n_ctx = 8_192
    settings.n_parallel = 2
    settings.warmup = settings.fit_params = False
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(settings)
    sys.stdout.write(f"ready {server.listening_address}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
