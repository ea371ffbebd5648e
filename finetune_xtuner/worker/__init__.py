"""What runs in the managed environment, with torch, transformers and PEFT: one job a process.

``finetune_xtuner.worker`` reads a job as one line of JSON on its input and tells what happens as JSON lines on its
output (:mod:`finetune_xtuner.worker.telling`); all else that libraries print goes to its error output. Only the
standard library and that environment's packages are imported here, none of ours outside this folder.
"""
