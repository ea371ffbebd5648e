"""The data set for other tools: XTuner 0.2.0 with a runnable configuration, ms-swift, PaddleNLP.

XTuner 0.2.0 is the last of its line and frozen upstream: version 1 is another program, without LoRA. Its environment
is the lock ``xtuner`` of :mod:`llm.environments`. A warm-up of less than two steps leaves its rate at a hundred-
thousandth for ever, so the configuration warms up by steps that are counted here, and says what to look for in its log.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from bot.errors import UsageError
from finetune_xtuner.folders import whole_folder
from finetune_xtuner.teaching import TrainSettings
from finetune_xtuner.writing import TRAIN, XTUNER, read_rows, write_layouts

TEMPLATES = ("internlm2_chat", "internlm_chat", "qwen_chat", "llama3_chat", "default")
"""Names of ``xtuner.utils.PROMPT_TEMPLATE`` that are of use here."""

MIN_STEPS = 20


def export(data: Path, out: Path, base: str, template: str, settings: TrainSettings) -> None:
    """Write ``out``. ``base``: a folder or a hub's name, as XTuner shall read it. Raises ``UsageError``."""
    if template not in TEMPLATES:
        raise UsageError(f"{template!r} is no template that is written here; there are {', '.join(TEMPLATES)}.")
    rows = read_rows(data / TRAIN)
    if not (data / XTUNER).is_file():
        raise UsageError(f"{data} has no {XTUNER}: make the data set anew.")
    steps = math.ceil(len(rows) / settings.batch_size) * settings.epochs
    if steps < MIN_STEPS:
        raise UsageError(f"{steps} steps are too few for XTuner's warm-up: take at least {MIN_STEPS}, by more epochs.")
    with whole_folder(out) as folder:
        (folder / "xtuner").mkdir()
        shutil.copyfile(data / XTUNER, folder / "xtuner" / XTUNER)
        (folder / "xtuner" / "config.py").write_text(configuration(base, template, settings, steps), "utf-8")
        write_layouts(folder, data)
        (folder / "README.md").write_text(README.format(base=base), "utf-8")


def configuration(base: str, template: str, settings: TrainSettings, steps: int) -> str:
    """A configuration for ``xtuner train``, on CUDA."""
    return CONFIGURATION.format(
        base=base,
        template=template,
        data=XTUNER,
        steps=steps,
        warmup=max(min(settings.warmup_steps, steps // 5), 2),
        **settings.model_dump(exclude={"steps", "balance", "threads", "warmup_steps"}),
        quantization=QUANTISED if settings.four_bit else "",
    )


README = """# This data set for other tools

`maodou finetune train` trains with transformers and PEFT; these layouts are for those who use something else.

- **XTuner 0.2.0** (`xtuner/`): frozen upstream, for CUDA machines. Its environment: `python -m llm.environments make
  xtuner FOLDER`. In `xtuner/`: `xtuner train config.py`, then `xtuner convert pth_to_hf config.py WORK_DIR/iter_N.pth
  adapter`, then `xtuner convert merge {base} adapter merged --max-shard-size 2GB`. It ends with success whatever it
  learnt: look in its log that `lr` rises to the rate asked and that `loss` falls.
- **ms-swift** (`ms-swift/`): `swift sft --model {base} --dataset ms-swift/train.jsonl --val_dataset
  ms-swift/held_out.jsonl --train_type lora`.
- **PaddleNLP** (`paddlenlp/`): the folder is `dataset_name_or_path` of `run_finetune.py`; rows are `src` and `tgt`.
"""

QUANTISED = """        quantization_config=dict(
            type=BitsAndBytesConfig,
            load_in_4bit=True,
            bnb_4bit_compute_dtype=torch.float16,
            bnb_4bit_use_double_quant=True,
            bnb_4bit_quant_type="nf4",
        ),
"""

CONFIGURATION = '''"""XTuner 0.2.0: LoRA on {base}, {steps} steps. In its log `lr` must rise and `loss` must fall."""
import torch
from datasets import load_dataset
from mmengine.dataset import DefaultSampler
from mmengine.hooks import CheckpointHook, DistSamplerSeedHook, IterTimerHook, LoggerHook, ParamSchedulerHook
from mmengine.optim import AmpOptimWrapper, CosineAnnealingLR, LinearLR
from peft import LoraConfig
from torch.optim import AdamW
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from xtuner.dataset import process_hf_dataset
from xtuner.dataset.collate_fns import default_collate_fn
from xtuner.dataset.map_fns import template_map_fn_factory
from xtuner.engine.hooks import DatasetInfoHook
from xtuner.engine.runner import TrainLoop
from xtuner.model import SupervisedFinetune
from xtuner.utils import PROMPT_TEMPLATE

tokenizer = dict(
    type=AutoTokenizer.from_pretrained,
    pretrained_model_name_or_path="{base}",
    trust_remote_code=True,
    padding_side="right",
)
model = dict(
    type=SupervisedFinetune,
    use_varlen_attn=False,
    llm=dict(
        type=AutoModelForCausalLM.from_pretrained,
        pretrained_model_name_or_path="{base}",
        trust_remote_code=True,
        torch_dtype=torch.float16,
{quantization}    ),
    lora=dict(
        type=LoraConfig, r={rank}, lora_alpha=2 * {rank}, lora_dropout={dropout}, bias="none", task_type="CAUSAL_LM"
    ),
)
train_dataset = dict(
    type=process_hf_dataset,
    dataset=dict(type=load_dataset, path="json", data_files=dict(train="{data}")),
    tokenizer=tokenizer,
    max_length={max_tokens},
    dataset_map_fn=None,
    template_map_fn=dict(type=template_map_fn_factory, template=PROMPT_TEMPLATE.{template}),
    remove_unused_columns=True,
    shuffle_before_pack=True,
    pack_to_max_length=False,
    use_varlen_attn=False,
)
train_dataloader = dict(
    batch_size={batch_size},
    num_workers=0,
    dataset=train_dataset,
    sampler=dict(type=DefaultSampler, shuffle=True),
    collate_fn=dict(type=default_collate_fn, use_varlen_attn=False),
)
optim_wrapper = dict(
    type=AmpOptimWrapper,
    optimizer=dict(type=AdamW, lr={learning_rate}, betas=(0.9, 0.999), weight_decay=0),
    clip_grad=dict(max_norm=1, error_if_nonfinite=False),
    accumulative_counts=1,
    loss_scale="dynamic",
    dtype="float16",
)
# By steps: by epochs, a warm-up of less than two steps never ends.
param_scheduler = [
    dict(type=LinearLR, start_factor=1e-5, by_epoch=False, begin=0, end={warmup}),
    dict(type=CosineAnnealingLR, eta_min=0.0, by_epoch=False, begin={warmup}, end={steps}),
]
train_cfg = dict(type=TrainLoop, max_epochs={epochs})
custom_hooks = [dict(type=DatasetInfoHook, tokenizer=tokenizer)]
default_hooks = dict(
    timer=dict(type=IterTimerHook),
    logger=dict(type=LoggerHook, log_metric_by_epoch=False, interval=1),
    param_scheduler=dict(type=ParamSchedulerHook),
    checkpoint=dict(type=CheckpointHook, by_epoch=False, interval={save_steps}, max_keep_ckpts=2),
    sampler_seed=dict(type=DistSamplerSeedHook),
)
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork"), dist_cfg=dict(backend="nccl"))
visualizer = None
log_level = "INFO"
load_from = None
resume = False
randomness = dict(seed={seed}, deterministic=False)
log_processor = dict(by_epoch=False)
'''
