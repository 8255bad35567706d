"""MovieLens ml-latest-small as of October 2016."""

from __future__ import annotations

from types import MappingProxyType

from steepest.data.catalog import DataFile, DatasetSource

COMPONENTS = {
    "movielens-small-2016": {
        "object": "MOVIELENS_SMALL_2016",
        "what": "100,004 ratings of 9,066 films by 671 users",
        "groups": ["ratings"],
    }
}

_FOLDER = "movielens-small-2016"

MOVIELENS_SMALL_2016 = DatasetSource(
    name="movielens-small-2016",
    title="100,004 ratings of 9,066 films by 671 users: ml-latest-small of October 2016, now replaced by a later one",
    kind="ratings",
    files=(
        DataFile(
            name="ratings.csv",
            folder=_FOLDER,
            sha256=("821795331fd974bbe7a8416f2a7eec2b548a485dedb47a073580b0a9a8a0a8d2",),
            bytes=2_438_266,
        ),
        DataFile(
            name="movies.csv",
            folder=_FOLDER,
            sha256=("a87480009b75ecd8d1e8f70700c534b6aefd57eed31b087ce8268ef6061a166c",),
            bytes=458_390,
        ),
    ),
    page="https://grouplens.org/datasets/movielens/",
    licence="research use; redistribution under the same conditions, no commercial use without permission",
    citation="F. M. Harper & J. A. Konstan (2015). The MovieLens Datasets: History and Context. ACM TiiS 5(4).",
    options=MappingProxyType(
        {"user": "userId", "item": "movieId", "rating": "rating", "time": "timestamp", "titles": "movies.csv"}
    ),
)
