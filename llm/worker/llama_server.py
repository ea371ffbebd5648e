"""llama.cpp's own server out of the Python package xllamacpp, for machines without its program."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path


def main(file: str) -> None:
    job = json.loads(Path(file).read_text("utf-8"))
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = job["model"]
    settings.model_alias = {job["name"]}
    settings.api_keys = [os.environ.pop("LLM_SERVER_KEY")]
    settings.hostnames = ["127.0.0.1"]
    settings.port = job["port"]
    settings.n_ctx = job["tokens"] * job["sessions"]
    settings.n_parallel = job["sessions"]
    settings.fit_params = False
    if job["threads"]:
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = job["threads"]
    server = xllamacpp.Server(settings)
    sys.stdout.write(f"listening on {server.listening_address}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
