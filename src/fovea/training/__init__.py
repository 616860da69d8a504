"""One run: from its config to its record, and from its record back."""

import os

from fovea.config.imports import quick_imports, without_packages

# A scheduler or a launcher numbers its own processes; Lightning would take these for one of them.
for _variable in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
    os.environ.pop(_variable, None)

with quick_imports():
    import torch

    # Lightning imports torchmetrics, which imports these for plots and for metrics that no task
    # here has: 2 s. A task that measures with one of them takes it from the list.
    with without_packages("matplotlib", "scipy", "torchvision"):
        import torchmetrics
    import pytorch_lightning

__all__ = ["pytorch_lightning", "torch", "torchmetrics"]
