"""One run: from its config to its record, and from its record back."""

from fovea.config.imports import quick_imports, without_packages

with quick_imports():
    import torch

    # Lightning imports torchmetrics, which imports these for plots and for metrics that no task
    # here has: 2 s. A task that measures with one of them takes it from the list.
    with without_packages("matplotlib", "scipy", "torchvision"):
        import torchmetrics
    import pytorch_lightning

__all__ = ["pytorch_lightning", "torch", "torchmetrics"]
