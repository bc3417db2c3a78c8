"""File inputs on real files: growth, rotation, reports."""

from __future__ import annotations

import gzip
from pathlib import Path

from connectors.file_tail import FileTailConnector
from connectors.folder import FolderConnector
from connectors.settings import FileTail, Folder
from tests.connectors.collecting import Collected


async def test_a_tail_survives_rotation_and_reads_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntw")
    taken = Collected()
    tail = FileTailConnector(FileTail(path=path, source="s", poll_s=0.01), taken)
    await tail.start()
    await taken.until(1)
    with path.open("ab") as file:
        file.write(b"o\n")
    await taken.until(2)
    path.rename(tmp_path / "a.log.1")
    path.write_bytes(b"three\n")
    assert await taken.until(3) == [b"one", b"two", b"three"]
    await tail.stop()
    with path.open("ab") as file:
        file.write(b"four\n")
    again = FileTailConnector(FileTail(path=path, source="s", poll_s=0.01), taken)
    await again.start()
    assert await taken.until(4) == [b"one", b"two", b"three", b"four"]
    await again.stop()


async def test_a_folder_reads_reports_and_reports_what_is_wrong(tmp_path: Path) -> None:
    taken = Collected()
    folder = FolderConnector(
        Folder(path=tmp_path, source="s", framing="csv", settle_s=0, poll_s=0.01, encoding="cp1252"), taken
    )
    await folder.start()
    (tmp_path / "1.csv").write_bytes('A;B;C\n"x;y";2;Müller\n1;2\n'.encode("cp1252"))
    await taken.until(2)
    (tmp_path / "2.csv.gz").write_bytes(gzip.compress(b"A;B;C\n7;8;9\n"))
    await taken.until(3)
    await folder.stop()
    assert taken.documents[0].value == '{"A":"x;y","B":"2","C":"Müller"}'.encode()
    assert taken.documents[1].value == b'{"A":"7","B":"8","C":"9"}'
    assert "1.csv" in taken.rejected[0]
