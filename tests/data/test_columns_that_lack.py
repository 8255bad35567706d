"""New rows without columns that training had, and names of columns as they are shown."""

from __future__ import annotations

import polars as pl
import pytest

import steepest as st
from steepest.data.steps import Context
from steepest.data.steps.decode import Decode
from steepest.errors import DataError, PreparationError

ROWS = {
    "plan": ["a", "b"] * 20,
    "tenure": [i / 7 for i in range(40)],
    "churn": ["no", "yes", "yes", "no"] * 10,
}


def test_rows_without_any_known_column_are_not_said_to_be_none():
    pipeline = st.read_table(ROWS, target="churn").pipeline
    other = pl.DataFrame({"zz": [1, 3], "yy": [2, 4]})
    with pytest.raises(DataError, match="has none of the columns plan, tenure; it has zz, yy"):
        list(pipeline.transform_batches(other, 8))
    with pytest.raises(DataError, match="has none of the columns plan, tenure; it has zz, yy"):
        pipeline.transform(other)


def test_columns_of_a_block_are_not_what_a_lacking_one_meant():
    step = Decode(columns=["col_1", "col_2", "col_3"])
    lacking = pl.Schema({"col_1": pl.Int64, "col_2": pl.Int64, "x": pl.Float64})
    with pytest.raises(
        PreparationError, match="1 column of col_1 … col_3 is not in the table: col_3"
    ) as error:
        step.check(lacking, Context(predicting=True))
    assert error.value.hint == "add it, with 0 in every row, if that category does not occur."
    with pytest.raises(PreparationError, match="'col_3' is not in the table") as error:
        step.check(lacking, Context())
    assert error.value.hint == "Known: x."


def test_a_line_break_in_a_name_is_shown_as_in_a_value():
    said = repr(st.describe({"Head\ner A": ROWS["plan"], "churn": ROWS["churn"]}, target="churn"))
    assert "Head er A" in said
    assert not [each for each in said.splitlines() if each.startswith("er A")]
