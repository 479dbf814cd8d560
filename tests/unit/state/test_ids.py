from __future__ import annotations

import pytest

from weft.errors import MissingError, UsageError
from weft.state.ids import match_ids

NAMES = ["TS_01_001_3.0", "TS_01_010_-15.0", "TS_02_001_3.0", "solo"]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["solo"], ["solo"]),
        (["TS_01_001"], ["TS_01_001_3.0"]),
        (["TS_01_001_3"], ["TS_01_001_3.0"]),
        (["TS_01*"], NAMES[:2]),
        (["*_001_*", "solo"], ["TS_01_001_3.0", "TS_02_001_3.0", "solo"]),
    ],
)
def test_names_are_found_as_people_type_them(patterns: list[str], found: list[str]) -> None:
    assert match_ids(patterns, NAMES) == found


def test_a_beginning_that_fits_several_lists_them() -> None:
    with pytest.raises(UsageError, match=r"TS_01_001_3\.0, TS_01_010_-15\.0"):
        match_ids(["TS_01"], NAMES)


def test_a_beginning_must_end_at_a_joint() -> None:
    with pytest.raises(MissingError, match=r"nearest name is TS_01_001_3\.0"):
        match_ids(["TS_01_00"], NAMES)


def test_of_nothing_nothing_can_be_meant() -> None:
    with pytest.raises(MissingError, match='"TS_01" fits nothing, as there is nothing yet'):
        match_ids(["TS_01"], [])
