"""Low-rank adapters of the directions of weights, and their lengths."""

from __future__ import annotations

from typing import Any

from steepest.finetuning.adapters import LowRank

COMPONENTS = {
    "dora": {
        "object": "Dora",
        "what": "adapters of directions, and lengths, of weights (DoRA)",
        "libraries": ["peft"],
    }
}


class Dora(LowRank):
    r"""Train low-rank adapters of the directions of weights, and their lengths apart.

    .. math:: W x \;\to\; m \odot \frac{(W + \frac{\alpha}{r} B A)\, x}{\|W + \frac{\alpha}{r} B A\|}

    The norm is that of each output's weights, ``m`` begins as the norms of ``W``, and ``B`` at 0, so the first outputs
    are those of the base, up to rounding. As in the paper, a gradient takes the norm in the denominator as constant:
    it is not that of the loss, so there is no curvature of such a run to measure. Layers, scale and library as for
    ``lora``.

    Source: Liu et al., DoRA: Weight-Decomposed Low-Rank Adaptation, ICML 2024, section 4.3 for the gradient.
    """

    name = "dora"
    true_gradient = False
    bibtex = """
@inproceedings{liu2024dora,
  author = {Liu, Shih-Yang and Wang, Chien-Yi and Yin, Hongxu and Molchanov, Pavlo and Wang, Yu-Chiang Frank and Cheng, Kwang-Ting and Chen, Min-Hung},
  title = {{DoRA}: Weight-Decomposed Low-Rank Adaptation},
  booktitle = {International Conference on Machine Learning},
  year = {2024},
}
"""  # noqa: E501

    def peft_options(self) -> dict[str, Any]:
        """Lengths apart from directions."""
        return {"use_dora": True}
