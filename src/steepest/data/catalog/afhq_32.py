"""AFHQ at 32 × 32 pixels: faces of cats, dogs and wild animals, as a folder that the user has."""

from __future__ import annotations

from steepest.data.catalog import DatasetSource

COMPONENTS = {
    "afhq-32": {
        "object": "AFHQ_32",
        "what": "faces of cats, dogs and wild animals, a folder of your own",
        "groups": ["images"],
    }
}

AFHQ_32 = DatasetSource(
    name="afhq-32",
    title="faces of cats, dogs and wild animals at 32 × 32 pixels: a folder of yours with a folder for each class",
    kind="images",
    files=(),
    directory="afhq-32",
    page="https://github.com/clovaai/stargan-v2",
    licence="CC BY-NC 4.0",
    citation="Y. Choi, Y. Uh, J. Yoo & J.-W. Ha (2020). StarGAN v2: Diverse Image Synthesis. CVPR.",
)
