"""MNIST: handwritten digits of 28 × 28 pixels."""

from __future__ import annotations

from steepest.data.catalog import DatasetSource
from steepest.data.catalog._idx import idx_files

COMPONENTS = {
    "mnist": {"object": "MNIST", "what": "70,000 handwritten digits of 28 × 28 pixels", "groups": ["images"]}
}

MNIST = DatasetSource(
    name="mnist",
    title="70,000 handwritten digits of 28 × 28 pixels; the last 10,000 are the official test images",
    kind="images",
    files=idx_files(
        "mnist",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            "train-images-idx3": (
                (
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "ae46c4f260ac4905871204038b01a6c0a113631ad2d5a23f68961fc8b88747cb",
                ),
                "6bbc9ace898e44ae57da46a324031adb",
                9_912_422,
            ),
            "train-labels-idx1": (
                ("3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",),
                "a25bea736e30d166cdddb491f175f624",
                28_881,
            ),
            "t10k-images-idx3": (
                ("8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",),
                "2646ac647ad5339dbf082846283269ea",
                1_648_877,
            ),
            "t10k-labels-idx1": (
                ("f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",),
                "27ae3e4e09519cfbb04c329615203637",
                4_542,
            ),
        },
    ),
    page="https://yann.lecun.com/exdb/mnist/",
    licence="usually given as CC BY-SA 3.0; the original page states none",
    citation="Y. LeCun, C. Cortes & C. J. C. Burges: The MNIST Database of Handwritten Digits, 1998.",
)
