"""A voice activity model in FunASR's own form, tiny and untrained: ``python -m tests.speech.make_vad FOLDER``
made what lies in ``tests/speech/vad``.

Its weights are random, so it takes nearly everything for a voice; what it shows is that FunASR loads it beside the
recogniser and puts the recognised pieces together.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from funasr.models.fsmn_vad_streaming.model import FsmnVADStreaming

INPUTS = 400
ENCODER: dict[str, Any] = {
    "input_dim": INPUTS, "input_affine_dim": 16, "fsmn_layers": 2, "linear_dim": 16, "proj_dim": 8, "lorder": 20,
    "rorder": 0, "lstride": 1, "rstride": 0, "output_affine_dim": 16, "output_dim": 8,
}  # fmt: skip
DETECTION: dict[str, Any] = {
    "sample_rate": 16_000, "detect_mode": 1, "snr_mode": 0, "max_end_silence_time": 800,
    "max_start_silence_time": 3_000, "do_start_point_detection": True, "do_end_point_detection": True,
    "window_size_ms": 200, "sil_to_speech_time_thres": 150, "speech_to_sil_time_thres": 150,
    "speech_2_noise_ratio": 1.0, "do_extend": 1, "lookback_time_start_point": 200, "lookahead_time_end_point": 100,
    "max_single_segment_time": 60_000, "snr_thres": -100.0, "noise_frame_num_used_for_snr": 100,
    "decibel_thres": -100.0, "speech_noise_thres": 0.6, "fe_prior_thres": 1e-4, "silence_pdf_num": 1,
    "sil_pdf_ids": [0], "speech_noise_thresh_low": -0.1, "speech_noise_thresh_high": 0.3,
    "output_frame_probs": False, "frame_in_ms": 10, "frame_length_ms": 25,
}  # fmt: skip
FRONTEND = {"fs": 16_000, "window": "hamming", "n_mels": 80, "frame_length": 25, "frame_shift": 10, "dither": 0.0,
            "lfr_m": 5, "lfr_n": 1}  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    model = FsmnVADStreaming(encoder="FSMN", encoder_conf=dict(ENCODER), **DETECTION)
    torch.save(model.state_dict(), folder / "model.pt")
    config = {
        "frontend": "WavFrontendOnline", "frontend_conf": FRONTEND, "model": "FsmnVADStreaming",
        "model_conf": DETECTION, "encoder": "FSMN", "encoder_conf": ENCODER,
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    rows = [f"<{name}> {INPUTS} {INPUTS}\n<LearnRateCoef> 0 [ {' '.join([value] * INPUTS)} ]\n"
            for name, value in (("AddShift", "0.0"), ("Rescale", "0.2"))]  # fmt: skip
    (folder / "am.mvn").write_text(f"<Nnet>\n<Splice> {INPUTS} {INPUTS}\n[ 0 ]\n{''.join(rows)}</Nnet>\n", "utf-8")


if __name__ == "__main__":
    main()
