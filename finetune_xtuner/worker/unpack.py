"""W4A16 weights unpacked to 16 bits, value for value: for servers that do not know the packing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from finetune_xtuner.worker.telling import Refused

PARTS = ("qweight", "qzeros", "scales")
COPIED = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "generation_config.json", "chat_template.jinja")


def run(job: dict[str, Any]) -> dict[str, object]:
    """``model``: the packed folder; ``out``: a folder that is there and empty. Runs in LMDeploy's environment."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    from llm.worker.awq import dequantised

    model, out = Path(job["model"]), Path(job["out"])
    tensors: dict[str, Any] = {}
    for file in sorted(model.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            tensors |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 – no mapping
    packed = [name.removesuffix(".qweight") for name in tensors if name.endswith(".qweight")]
    if not packed:
        raise Refused(f"{model} has no packed weights: it is no W4A16 model.")
    for name in packed:
        parts = [tensors.pop(f"{name}.{part}").numpy() for part in PARTS]
        tensors[f"{name}.weight"] = torch.from_numpy(dequantised(*parts))
    save_file(
        {name: tensor.to(torch.float16).contiguous() for name, tensor in tensors.items()}, out / "model.safetensors"
    )
    config = json.loads((model / "config.json").read_text("utf-8"))
    config.pop("quantization_config", None)
    (out / "config.json").write_text(json.dumps({**config, "dtype": "float16"}, indent=1), "utf-8")
    for name in COPIED:
        if (model / name).is_file():
            shutil.copyfile(model / name, out / name)
    return {"layers": len(packed), "out": str(out)}
