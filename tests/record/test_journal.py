"""The journal keeps every whole line, whatever happens to the last one."""

from __future__ import annotations

import errno
import io
import json
import os

import pytest

from steepest.errors import FolderError
from steepest.files import write_atomically
from steepest.record.journal import Journal, whole_length


def test_a_torn_line_is_dropped_wherever_it_was_cut(tmp_path) -> None:
    events = [{"event": "run", "text": "ü" * n, "n": n} for n in (0, 3, 100_000)]
    whole = Journal(tmp_path / "whole.jsonl")
    for each in events:
        whole.append(each)
    data = whole.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    for cut in [
        1,
        5,
        ends[0] - 1,
        ends[0],
        ends[0] + 1,
        ends[1] - 1,
        ends[1],
        ends[1] + 7,
        len(data) - 2,
        len(data),
    ]:
        torn = Journal(tmp_path / f"{cut}.jsonl")
        torn.path.write_bytes(data[:cut])
        kept = [each for each, end in zip(events, ends, strict=True) if end <= cut]
        assert torn.read() == kept
        torn.append({"event": "next"})
        assert torn.read() == [*kept, {"event": "next"}]


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"a": 1}\nnot json\n{"b": 2}\n')
    with pytest.raises(FolderError, match="line 2 of") as caught:
        Journal(path).read()
    assert "delete that line" in caught.value.hint


def test_missing_journal_is_empty(tmp_path) -> None:
    assert Journal(tmp_path / "none.jsonl").read() == []


def test_write_is_whole_or_nothing(tmp_path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, json.dumps({"old": 1}))
    with pytest.raises(FolderError, match="cannot write"):
        write_atomically(tmp_path / "nowhere" / "a.json", "x")
    with pytest.raises(TypeError):
        write_atomically(path, 3)  # pyright: ignore
    assert json.loads(path.read_text()) == {"old": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_the_last_line_may_be_torn_at_every_byte(tmp_path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for event in (
        {"event": "data", "data": "f00"},
        {"event": "run", "record": {"text": "ü", "n": [1.5, None]}},
    ):
        journal.append(event)
    data = path.read_bytes()
    first = data.index(b"\n") + 1
    for cut in range(first, len(data)):
        for rest in (b"", bytes(7), bytes(7) + b"\n", b"\0\n"):  # a power loss may leave zeros
            path.write_bytes(data[:cut] + rest)
            assert journal.read() == [{"event": "data", "data": "f00"}]
    for cut in range(first, len(data), 5):
        path.write_bytes(data[:cut])
        journal.append({"event": "run", "record": {"text": "ü", "n": [1.5, None]}})
        assert path.read_bytes() == data


def test_an_append_that_fails_leaves_the_journal_as_it_was(tmp_path, monkeypatch) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"n": 1})
    before = journal.path.read_bytes()
    write = os.write

    def full(handle, data) -> int:
        write(handle, bytes(data)[:5])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FolderError, match="no space left on device"):
        journal.append({"n": 2})
    with pytest.raises(FolderError, match="no space left on device"):
        write_atomically(tmp_path / "a.json", "x" * 100)
    assert journal.path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["journal.jsonl"]


def test_a_link_is_written_through(tmp_path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    write_atomically(tmp_path / "link.csv", "new")
    assert (tmp_path / "real.csv").read_text() == "new"
    assert (tmp_path / "link.csv").is_symlink()


class Counted(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.count += len(found)
        return found


@pytest.mark.parametrize(
    "last", [b"", b'{"torn', b"\0\0\0\n", b"\0\0\0", b'{"b":"' + b"x" * 300_000 + b'"}\n']
)
def test_what_an_append_reads_does_not_grow_with_the_journal(last):
    whole = b"".join(b'{"event":"run","n":%d}\n' % i for i in range(100_000))
    for data in (whole, whole[:100]):
        data = data[: data.rfind(b"\n") + 1]
        file = Counted(data + last)
        kept = last if last.startswith(b'{"b"') else b""
        assert whole_length(file) == len(data) + len(kept)
        assert file.count <= (1 << 17) + 6 * len(last)


def test_events_of_one_kind_are_found_without_the_runs(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.is_empty
    assert journal.first("data") is None
    for event in ({"event": "data", "data": "f"}, {"event": "run", "n": 1}, {"event": "code", "of": "m"}):
        journal.append(event)
    assert not journal.is_empty
    assert journal.first("data") == {"event": "data", "data": "f"}
    assert journal.read("code") == [{"event": "code", "of": "m"}]
    assert journal.read("run") == [{"event": "run", "n": 1}]
    with journal.path.open("ab") as file:
        file.write(b'{"event": "run"\n{"event": "code", "of": "b"}\n')
    assert journal.first("data") == {"event": "data", "data": "f"}
    with pytest.raises(FolderError, match="line 4 "):
        journal.read()
