from __future__ import annotations

import os
from pathlib import Path

import pytest

from weft.errors import InputError
from weft.io.identity import file_identity
from weft.state.index import Index
from weft.state.record import MovieFacts, Record
from weft.state.records import read_record, write_record


def record(name: str, size: int = 1) -> Record:
    facts = MovieFacts(
        path=f"{name}.mrc", format="mrc", frames=8, height=4, width=4, raw_pixel_size_A=1, size_bytes=size, identity="i"
    )
    return Record(name=name, movie=facts)


def test_records_come_back_as_written(tmp_path: Path) -> None:
    write_record(tmp_path / "a.json", record("a"))
    assert read_record(tmp_path / "a.json") == record("a")
    assert read_record(tmp_path / "b.json") is None


@pytest.mark.parametrize("damage", [b"{", b'{"name": "\xff\xfe'])
def test_a_damaged_record_is_a_sentence(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.json").write_bytes(damage)
    with pytest.raises(InputError, match="delete it to have the movie redone"):
        read_record(tmp_path / "a.json")


def test_the_index_follows_the_files(tmp_path: Path) -> None:
    for name in "ba":
        write_record(tmp_path / "records" / f"{name}.json", record(name))
    assert list(Index(tmp_path).records()) == ["a", "b"]
    write_record(tmp_path / "records" / "a.json", record("a", 77))
    (tmp_path / "records" / "b.json").unlink()
    (tmp_path / "records" / "broken.json").write_text("{")
    assert [r.movie.size_bytes for r in Index(tmp_path).records().values()] == [77]


@pytest.mark.parametrize("damage", ["gone", "nonsense"])
def test_the_index_can_be_lost(tmp_path: Path, damage: str) -> None:
    write_record(tmp_path / "records" / "a.json", record("a"))
    Index(tmp_path).records()
    database = tmp_path / "index.sqlite"
    database.unlink() if damage == "gone" else database.write_bytes(b"nonsense" * 1000)
    assert list(Index(tmp_path).records()) == ["a"]
    assert list(Index(tmp_path).records()) == ["a"]


def test_no_records_yet(tmp_path: Path) -> None:
    assert Index(tmp_path / "nowhere").records() == {}


def test_identity_sees_both_ends_and_the_size(tmp_path: Path) -> None:
    file = tmp_path / "m"
    data = bytearray(300_000)
    file.write_bytes(data)
    plain = file_identity(file)
    for place in (0, 299_999):
        changed = data.copy()
        changed[place] = 1
        file.write_bytes(changed)
        assert file_identity(file) != plain
    file.write_bytes(data + b"\0")
    assert file_identity(file) != plain


def test_identity_is_kept_until_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "m"
    file.write_bytes(b"a")
    first = Index(tmp_path).identity(file)
    os.utime(file, (1, 1))
    assert Index(tmp_path).identity(file) == first
    file.write_bytes(b"b")
    assert Index(tmp_path).identity(file) != first


def test_records_of_torn_bytes_count_as_absent(tmp_path: Path) -> None:
    write_record(tmp_path / "records" / "a.json", record("a"))
    (tmp_path / "records" / "torn.json").write_bytes(b'{"name": "\xff\xfe')
    assert list(Index(tmp_path).records()) == ["a"]
    assert list(Index(tmp_path).records()) == ["a"]


def test_an_index_damaged_in_its_midst_is_passed_over(tmp_path: Path) -> None:
    for number in range(300):
        write_record(tmp_path / "records" / f"m{number:03}.json", record(f"m{number:03}"))
    Index(tmp_path).records()
    database = tmp_path / "index.sqlite"
    data = bytearray(database.read_bytes())
    data[8192:] = b"\x55" * (len(data) - 8192)  # the tables' pages; the head stays
    database.write_bytes(data)
    assert len(Index(tmp_path).records()) == 300
