"""LMDeploy's ``serve api_server``, its key taken from the environment: a command line can be read by other users."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(file: str) -> None:
    arguments = json.loads(Path(file).read_text("utf-8"))["arguments"]
    key = os.environ.pop("LLM_SERVER_KEY")
    from lmdeploy.cli.entrypoint import run

    sys.argv = ["lmdeploy", *arguments, "--api-keys", key]
    run()


if __name__ == "__main__":
    main(sys.argv[1])
