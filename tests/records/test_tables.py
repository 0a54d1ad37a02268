import pytest

from ecg_bench.records import tables


def test_an_empty_cell_is_never_nan(tmp_path):
    (tmp_path / "t.csv").write_text('\ufeffid,age,note\n1,,"two\nlines"\n2,nan,NA\n3\n', encoding="utf-8")
    table = tables.read_table(tmp_path / "t.csv", ("id", "age"))
    assert table.to_numpy().tolist() == [["1", "", "two\nlines"], ["2", "nan", "NA"], ["3", "", ""]]
    assert [tables.text(cell) for cell in table["age"]] == ["", "", ""]


@pytest.mark.parametrize(
    ("cell", "value"), [("56.0", 56), ("2.5", 2.5), ("", None), ("nan", None), ("inf", None), ("x", None)]
)
def test_number(cell, value):
    assert tables.number(cell) == value and type(tables.number(cell)) is type(value)


@pytest.mark.parametrize(
    ("cell", "years"), [("89", 89), (">89", 300), ("300.0", 300), ("-1", None), ("200", None), ("n/a", None)]
)
def test_age(cell, years):
    assert tables.age(cell) == years


def test_the_other_cells():
    assert [tables.sex(cell) for cell in ("F", "Male", "female ", "", "1")] == [
        "female",
        "male",
        "female",
        None,
        None,
    ]
    assert [tables.boolean(cell) for cell in ("True", "0", "1.0", "")] == [True, False, True, None]
    assert [tables.identifier(cell) for cell in ("15709.0", "15709", " a1 ")] == ["15709", "15709", "a1"]
    assert tables.known(a=1, b=None, c="", d=0) == {"a": 1, "c": "", "d": 0}
