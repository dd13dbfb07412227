"""A label path as one text: different paths have different texts, and each is read back."""

from hypothesis import given
from hypothesis import strategies as st

from lsvid.labels.tree import join_path, split_path

NAMES = st.text(st.sampled_from(" /\\ab\n"), min_size=1, max_size=8)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(tuple)


@given(PATHS)
def test_a_path_is_read_back(path: tuple[str, ...]) -> None:
    assert split_path(join_path(path)) == path


def test_usual_names_are_written_as_they_are() -> None:
    assert join_path(("Dissection", "Blunt")) == "Dissection / Blunt"
    assert join_path(("Suturing/Knot", r"C:\a")) == r"Suturing/Knot / C:\a"


def test_a_name_with_the_separator_is_told_from_a_path() -> None:
    assert join_path(("A / B",)) == r"A \/ B"
    assert split_path("A / B") == ("A", "B")
