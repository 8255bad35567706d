"""Low-rank adapters of linear layers."""

from __future__ import annotations

from steepest.finetuning.adapters import LowRank

COMPONENTS = {
    "lora": {
        "object": "Lora",
        "what": "low-rank adapters of linear layers (LoRA)",
        "libraries": ["peft"],
    }
}


class Lora(LowRank):
    r"""Train low-rank adapters: a product of two thin matrices, added to each linear layer, whose own weights stay.

    .. math:: W x \;\to\; W x + \frac{\alpha}{r} B A x, \qquad A \in R^{r \times d},\ B \in R^{k \times r}

    ``A`` is drawn by the run's seed and ``B`` begins at 0, so the first outputs are those of the base. By default every
    linear layer but the output layer is adapted, as by PEFT's ``all-linear`` and as the paper of QLoRA advises;
    embeddings, norms, biases and what is no linear layer, such as the stacked experts of a mixture, stay. The scale α/r
    is held, also where learning rates are tuned: by default it is 2, whatever r is. The library PEFT makes the adapters
    (``pip install '.[language]'``).

    Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022; Dettmers et al., QLoRA, NeurIPS
    2023, for the layers.
    """

    name = "lora"
    bibtex = """
@inproceedings{hu2022lora,
  author = {Hu, Edward J. and Shen, Yelong and Wallis, Phillip and Allen-Zhu, Zeyuan and Li, Yuanzhi and Wang, Shean and Wang, Lu and Chen, Weizhu},
  title = {{LoRA}: Low-Rank Adaptation of Large Language Models},
  booktitle = {International Conference on Learning Representations},
  year = {2022},
}
"""  # noqa: E501
