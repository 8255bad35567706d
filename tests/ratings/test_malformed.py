"""Malformed ratings: exit status 2, the offending value, a cure that applies to ratings, and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steepest.cli import main

HEAD = "userId,movieId,rating,timestamp"
NAMED = ["--user", "userId", "--item", "movieId", "--rating", "rating"]
LAST = [*NAMED, "--time", "timestamp", "--split", "user:last"]
MODEL = [
    "--model",
    "dot-bias(factors=2)",
    "-o",
    "sgd(lr=0.1)",
    "--epochs",
    "1",
    "--seeds",
    "1",
    "--out",
    "out",
]


def rows(*, at: int = 5, **changed: object) -> str:
    """70 ratings by 12 users of 10 items; a value of one row, or with ``at=-1`` of all rows, is another one."""
    draw = np.random.default_rng(0)
    lines = [HEAD]
    for i, pair in enumerate(draw.permutation(120)[:70]):
        rating = draw.integers(1, 11) / 2
        own = {"user": 500 + pair // 10, "item": 1 + pair % 10, "rating": rating, "time": 10**9 + i}
        own |= {
            name: value(i) if callable(value) else value for name, value in changed.items() if at in (i, -1)
        }
        lines.append(",".join(str(each) for each in own.values()))
    return "\n".join([*lines, ""])


RATINGS = [
    ("no user named", rows(), NAMED[2:], "the column of the user is not named", "--user COLUMN"),
    ("no item named", rows(), [*NAMED[:2], *NAMED[4:]], "the column of the item is not named", "--item COLUMN"),
    ("no rating named", rows(), NAMED[:4], "the column of the rating is not named", "--rating COLUMN"),
    ("user not there", rows(), ["--user", "userid", *NAMED[2:]], "'userid'", "did you mean 'userId'"),
    ("user is the item", rows(), ["--user", "movieId", *NAMED[2:]], "the same column, 'movieId'", "two columns"),
    ("ratings of text", rows(rating="good"), NAMED, "contains 'good'", "--missing good."),
    ("ratings of words", rows(at=-1, rating=lambda i: "good" if i % 2 else "bad"), NAMED, "contains 'bad'",
     "another column: --rating COLUMN"),
    ("ratings of dates", rows(at=-1, rating=lambda i: f"2020-01-{1 + i % 28:02}"), NAMED, "holds dates",
     "another column: --rating COLUMN"),
    ("infinite rating", rows(rating="inf"), NAMED, "infinite value, the first (inf) in row 6", "filter"),
    ("no ratings", rows(at=-1, rating="NaN"), NAMED, "is missing in all 70 rows",
     "another column, or change with --missing"),
    ("one rating", rows(at=-1, rating=3), NAMED, "one value only, 3", "another column: --rating COLUMN"),
    ("rating outside the range", rows(rating=7.5), [*NAMED, "--range", "0.5,5"], "the rating 7.5 of movieId",
     "--range"),
    ("no range", rows(), [*NAMED, "--range", "5"], "'5'", "0.5,5"),
    ("range that falls", rows(), [*NAMED, "--range", "5,1"], "'5,1'", "less than the second"),
    ("range without an end", rows(), [*NAMED, "--range", "0,inf"], "'0,inf'", "less than the second"),
    ("one user", rows(at=-1, user=7), NAMED, "the same userId, 7", "several users"),
    ("one item", rows(at=-1, item=7), NAMED, "the same movieId, 7", "several users and items"),
    ("no user in a row", rows(user=""), NAMED, "1 row has no userId", '"userId" IS NOT NULL'),
    ("no items", rows(at=-1, item=""), NAMED, "70 rows have no movieId", '"movieId" IS NOT NULL'),
    ("one rating by each user", rows(at=-1, user=lambda i: 1000 + i), LAST, "no userId has more than one of 70 rows",
     "--split random"),
    ("a time that is none", rows(time="soon"), LAST, "'timestamp' has 'soon', which is no time, in 1 row", "filter"),
    ("times that are none", rows(at=-1, time=lambda i: "soon" if i % 2 else "late"), LAST,
     "'timestamp' has 'late', which is no time, in 70 rows", "dates or numbers"),
    ("a date that is none", rows(at=-1, time=lambda i: "soon" if i == 69 else f"2020-01-{1 + i % 28:02}"), LAST,
     "'timestamp' has 'soon', which is no time, in 1 row", "filter"),
    ("a row without time", rows(time=""), LAST, "'timestamp' has no time in 1 row", "filter"),
    ("one time", rows(at=-1, time=5), LAST, "'timestamp' is 5 in all rows", "--split random"),
    ("no time named", rows(), [*NAMED, "--split", "user:last"], "needs to know whose", "--time COLUMN"),
    ("time not there", rows(), [*NAMED, "--time", "when", "--split", "user:last"], "'when'", "timestamp"),
    ("first ratings", rows(), [*LAST[:-1], "user:first"], "'user:first'", "user:last"),
    ("empty file", "", NAMED, "is empty", "header"),
    ("header only", HEAD + "\n", NAMED, "no rows", "below the header"),
    ("too few rows", "\n".join(rows().splitlines()[:4]), NAMED, "3 rows", "10"),
    ("titles not there", rows(), [*NAMED, "--titles", "films.csv"], "'films.csv'", "table.csv"),
    ("ratings for titles", rows(), [*NAMED, "--titles", "table.csv"], "no column named 'title'", "userId, movieId"),
    ("model of another kind", rows(), [*NAMED, "--model", "cnn"], "'cnn' does not take ratings", "dot or dot-bias"),
    ("metric of classes", rows(), [*NAMED, "--metric", "accuracy"], "'accuracy' is for classification", "rmse"),
    ("metric of rankings", rows(), [*NAMED, "--metric", "ndcg@10"], "'ndcg@10' needs all rows of a user", "rmse"),
    ("metric by user", rows(), [*NAMED, "--metric", "rmse_by_user"], "'rmse_by_user' needs all rows", "rmse"),
    ("weights", rows(), [*NAMED, "--weight", "timestamp"], "--weight has no effect", "leave it out"),
]  # fmt: skip

TITLES = [
    ("no ids", "title,genres\nA,b\n", "has no column 'movieId'", "Known: genres, title"),
    ("no titles", "movieId\n1\n2\n", "no column named 'title'", "its columns are movieId"),
    ("two titles", "movieId,title\n1,A\n1,B\n", "several titles for movieId 1, 'A' and 'B'", "leave one"),
    ("empty", "", "titles.csv is empty", "header"),
]

LISTS = [
    (["recommend", "RUN", "--user", "5000"], "unknown userId '5000'", "did you mean '500'"),
    (["recommend", "RUN", "--user", "9"], "unknown userId '9'", "Known: 500, 501, 502, 503, 504, 505, 506, 507, …"),
    (["recommend", "RUN", "--user", "500.0"], "unknown userId '500.0'", "did you mean '500'"),
    (["recommend", "RUN", "--top", "0"], "top: 0 is not at least 1", "from 1"),
    (["recommend", "RUN", "--top", "all"], "'--top'", "--help"),
    (["recommend", "RUN", "--min-ratings", "999"], "no item with 999 ratings", "lower --min-ratings"),
    (["recommend", "RUN", "--out", "list.pdf"], "'.pdf'", ".csv"),
    (["recommend", "nowhere"], "'nowhere'", "--out folder"),
    (["recommend", "titles.csv"], "'titles.csv' is a file", "--out folder"),
    (["similar", "RUN", "--item", "Toy Stroy"], "unknown movieId 'Toy Stroy'", "'Toy Story (1995)'"),
    (["similar", "RUN", "--item", "777"], "unknown movieId '777'", "Known"),
    (["similar", "RUN", "--item", " "], "the movieId is empty", "id or title"),
    (["similar", "RUN", "--item", "20", "--min-ratings", "999"], "no other movieId has 999 ratings",
     "lower --min-ratings"),
    (["similar", "RUN", "--item", "20", "--measure", "angle"], "unknown measure 'angle'", "cosine"),
]  # fmt: skip


@pytest.fixture
def said(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder and hold its error to a fact and a cure."""
    monkeypatch.chdir(tmp_path)

    def run(arguments: list[str], fact: str, hint: str) -> None:
        before = sorted(each.name for each in tmp_path.iterdir())
        capsys.readouterr()
        assert main(arguments) == 2
        error, _, cure = capsys.readouterr().err.partition("\nHint: ")
        error = " ".join(error[error.index("error: ") :].split())
        cure = " ".join(cure.split())
        assert fact in error, error
        assert hint in cure, cure
        assert "--target" not in cure
        assert "--task" not in cure
        assert sorted(each.name for each in tmp_path.iterdir()) == before

    return run


@pytest.mark.parametrize(
    ("content", "arguments", "fact", "hint"),
    [each[1:] for each in RATINGS],
    ids=[each[0] for each in RATINGS],
)
def test_ratings(said, content, arguments, fact, hint) -> None:
    Path("table.csv").write_text(content)
    said(["compare", "table.csv", *MODEL, *arguments], fact, hint)


@pytest.mark.parametrize(
    ("content", "fact", "hint"), [each[1:] for each in TITLES], ids=[each[0] for each in TITLES]
)
def test_titles(said, content, fact, hint) -> None:
    Path("table.csv").write_text(rows())
    Path("titles.csv").write_text(content)
    said(["compare", "table.csv", *MODEL, *NAMED, "--titles", "titles.csv"], fact, hint)


@pytest.mark.parametrize(("arguments", "fact", "hint"), LISTS, ids=[" ".join(each[0]) for each in LISTS])
def test_lists(said, compared, arguments, fact, hint) -> None:
    Path("titles.csv").write_text("movieId,title\n")
    said([str(compared) if each == "RUN" else each for each in arguments], fact, hint)
