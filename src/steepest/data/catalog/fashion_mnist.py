"""Fashion-MNIST: articles of clothing of 28 × 28 pixels."""

from __future__ import annotations

from types import MappingProxyType

from steepest.data.catalog import DatasetSource
from steepest.data.catalog._idx import idx_files

COMPONENTS = {
    "fashion-mnist": {
        "object": "FASHION_MNIST",
        "what": "70,000 articles of clothing of 28 × 28 pixels",
        "groups": ["images"],
    }
}

FASHION_MNIST = DatasetSource(
    name="fashion-mnist",
    title="70,000 articles of clothing of 28 × 28 pixels; the last 10,000 are the official test images",
    kind="images",
    files=idx_files(
        "fashion-mnist",
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        {
            "train-images-idx3": (
                ("3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",),
                "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                26_421_880,
            ),
            "train-labels-idx1": (
                ("a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",),
                "9018921c3c673c538a1fc5bad174d6f9",
                29_515,
            ),
            "t10k-images-idx3": (
                ("346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",),
                "8181f5470baa50b63fa0f6fddb340f0a",
                4_422_102,
            ),
            "t10k-labels-idx1": (
                ("67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",),
                "15d484375f8d13e6eb1aabb0c3f46965",
                5_148,
            ),
        },
    ),
    page="https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT",
    citation="H. Xiao, K. Rasul & R. Vollgraf (2017). Fashion-MNIST. arXiv:1708.07747.",
    options=MappingProxyType(
        {
            "classes": [
                "T-shirt/top", "trouser", "pullover", "dress", "coat",
                "sandal", "shirt", "sneaker", "bag", "ankle boot",
            ]
        }
    ),
)  # fmt: skip
