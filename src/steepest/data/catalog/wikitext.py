"""WikiText: articles of Wikipedia in words."""

from __future__ import annotations

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "wikitext": {
        "object": "WIKITEXT",
        "what": "articles of Wikipedia, about 1 million words",
        "groups": ["text"],
    }
}

_EXAMPLES = "https://raw.githubusercontent.com/pytorch/examples/"

WIKITEXT = DatasetSource(
    name="wikitext",
    title="articles of Wikipedia: the first 551,645 words of WikiText-103's training text, and WikiText-2's validation "
    "and test texts",
    kind="text",
    files=(
        DataFile(
            name="wikitext-103.train.first-2883584-bytes.txt",
            folder="wikitext",
            sha256=("404a35153f7425a473fbca5cb6b5aa500a9dc8800dd0d28a6656c82436feaae5",),
            bytes=2_883_584,
            urls=(
                "https://raw.githubusercontent.com/Hongcheng-Gao/RobTest-Demo/"
                "37688d9e4800aa969050bd01f09033221aa5834e/data/wiki.train.tokens",
            ),
        ),
        DataFile(
            name="wikitext-2.valid.txt",
            folder="wikitext",
            sha256=("f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",),
            bytes=1_121_681,
            urls=(
                f"{_EXAMPLES}37ce9402ff0cae48d764d7788810fd2ed8238b25/word_language_model/data/wikitext-2/valid.txt",
            ),
        ),
        DataFile(
            name="wikitext-2.test.txt",
            folder="wikitext",
            sha256=("d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",),
            bytes=1_256_449,
            urls=(
                f"{_EXAMPLES}cada773327ba94a5970e0d57c17c847d69dbbb8f/word_language_model/data/wikitext-2/test.txt",
            ),
        ),
    ),
    page="https://huggingface.co/datasets/Salesforce/wikitext",
    licence="CC BY-SA 3.0",
    citation="S. Merity, C. Xiong, J. Bradbury & R. Socher (2016). Pointer Sentinel Mixture Models. arXiv:1609.07843.",
)
