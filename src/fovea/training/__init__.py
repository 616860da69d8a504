"""One run: from its config to its record, and from its record back."""

import os

from fovea.config.imports import quick_imports

# A scheduler or a launcher numbers its own processes; Lightning would take these for one of them.
for _variable in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
    os.environ.pop(_variable, None)

with quick_imports():
    import pytorch_lightning
    import torch

__all__ = ["pytorch_lightning", "torch"]
