"""Makes torchvision importable beside a torch that it was not built for, by the names of two missing operators."""

from __future__ import annotations

import torch

library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
