"""The spool's files: what they keep, and how they end."""

import fcntl
import os
import subprocess
import sys
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bizproc.runs import spool as module
from bizproc.runs.spool import BATCH, Spool, Spooled, SpoolFailed
from bizproc.secrets import Secrets

KEY = "k" * 32


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", Secrets([KEY]))


def callback(number: int, *, size: int = 20, installation_id: int | None = 1) -> Spooled:
    return Spooled(f"code\n\udc80{number}", b"raw\n%d" % number + b"x" * size, 1.5, installation_id)


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "spool").glob("*"))


class Database:
    """Takes what is drained."""

    def __init__(self, *, refused: int = 0) -> None:
        self.taken: list[Spooled] = []
        self.away_after: int | None = None
        self.refused = refused

    def store(self, callbacks: Sequence[Spooled]) -> int:
        if self.away_after is not None and len(self.taken) >= self.away_after:
            raise ConnectionError
        self.taken += callbacks
        return self.refused


def test_what_was_kept_comes_out_and_the_file_is_deleted(spool: Spool, tmp_path: Path) -> None:
    kept = [callback(number, installation_id=number or None) for number in range(BATCH + 5)]
    for each in kept:
        spool.add(each)
    (file,) = files(tmp_path)
    assert b"code" not in file.read_bytes()
    assert b"raw" not in file.read_bytes()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    database = Database()
    spool.drain(database.store)
    assert database.taken == kept
    assert files(tmp_path) == []
    spool.drain(database.store)
    assert len(database.taken) == len(kept)


def test_many_at_once_share_an_fsync(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(spool.add, [callback(number) for number in range(600)]))
    assert 0 < len(synced) < 500
    database = Database()
    spool.drain(database.store)
    assert len({each.raw for each in database.taken}) == 600


def test_a_file_stays_until_all_of_it_is_stored(spool: Spool, tmp_path: Path) -> None:
    for number in range(3 * BATCH):
        spool.add(callback(number))
    database = Database()
    database.away_after = BATCH
    with pytest.raises(ConnectionError):
        spool.drain(database.store)
    assert len(files(tmp_path)) == 1
    spool.add(callback(9999))
    database.away_after = None
    spool.drain(database.store)
    assert {each.raw for each in database.taken} == {callback(n).raw for n in [*range(3 * BATCH), 9999]}
    assert files(tmp_path) == []


def test_wherever_a_file_is_cut_off_the_records_before_come_out(spool: Spool, tmp_path: Path) -> None:
    ends = []
    for number in range(3):
        spool.add(callback(number))
        ends.append(files(tmp_path)[0].stat().st_size)
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    for cut in range(len(whole) + 1):
        for tail in (b"", b"\0" * 20, b"\xff" * 20):
            spool.drain(Database().store)
            left = whole[:cut] + tail
            file.write_bytes(left)
            # Not by where it was cut: now and then the tail happens to be what was cut off.
            complete = [callback(n).raw for n in range(3) if left.startswith(whole[: ends[n]])]
            database = Database()
            spool.drain(database.store)
            assert [each.raw for each in database.taken] == complete
            assert files(tmp_path) == []


def test_a_record_that_the_disk_lost_takes_no_other_with_it(
    spool: Spool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        spool.add(callback(number))
    (file,) = files(tmp_path)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    database = Database()
    spool.drain(database.store)
    assert [each.raw for each in database.taken] == [callback(0).raw, callback(2).raw]
    assert "1 torn records passed over" in caplog.text


def test_what_no_key_reads_stays_until_the_key_is_back(
    spool: Spool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.add(callback(1))
    database = Database()
    spool._seal()
    other = Spool(tmp_path / "spool", Secrets(["o" * 32]))
    other.drain(database.store)
    other.drain(database.store)
    assert database.taken == []
    assert len(files(tmp_path)) == 1
    assert caplog.text.count("If B24_SECRET_KEY lacks the key") == 1
    Spool(tmp_path / "spool", Secrets(["o" * 32, KEY])).drain(database.store)
    assert database.taken == [callback(1)]
    assert files(tmp_path) == []


def test_what_the_database_refuses_stays(spool: Spool, tmp_path: Path) -> None:
    spool.add(callback(1))
    spool.drain(Database(refused=1).store)
    assert len(files(tmp_path)) == 1


def test_a_full_spool_refuses_first_who_is_not_proven(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT", 10_000)
    monkeypatch.setattr(module, "UNPROVEN_LIMIT", 5_000)
    taken = 0

    def fill(installation_id: int | None) -> None:
        nonlocal taken
        while True:
            spool.add(callback(taken, size=500, installation_id=installation_id))
            taken += 1

    with pytest.raises(SpoolFailed, match="full"):
        fill(None)
    assert 7 <= taken <= 9
    with pytest.raises(SpoolFailed, match="full"):
        fill(1)
    assert 15 <= taken <= 18
    assert sum(file.stat().st_size for file in files(tmp_path)) <= 10_000
    database = Database()
    spool.drain(database.store)
    assert len(database.taken) == taken
    spool.add(callback(0, size=500, installation_id=None))


def test_a_disk_that_is_full_spoils_nothing(spool: Spool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The disk takes a part of a record and no more."""
    spool.add(callback(1))
    size = files(tmp_path)[0].stat().st_size
    code = f"""
import resource, signal, sys
from pathlib import Path
from bizproc.runs.spool import Spool, Spooled, SpoolFailed
from bizproc.secrets import Secrets
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({2 * size + 30}, resource.RLIM_INFINITY))
spool = Spool(Path(sys.argv[1]), Secrets(["{KEY}"]))
for number in (2, 3):
    spool.add(Spooled("code", b"raw\\n%d" % number + b"x" * 20, 1.5, 1))
try:
    spool.add(Spooled("code", b"late" + b"x" * 500, 1.5, 1))
except SpoolFailed as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spool.add(Spooled("code", b"raw\\n4" + b"x" * 20, 1.5, 1))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "spool")], capture_output=True, text=True, timeout=30, check=True
    )
    assert "SPOOL_FOLDER cannot be written" in done.stdout
    assert "File too large" in done.stdout
    database = Database()
    spool.drain(database.store)
    assert sorted(each.raw for each in database.taken) == [callback(number).raw for number in (1, 2, 3, 4)]
    assert "torn" not in caplog.text, "what was not answered with 2xx takes no room"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no folder")
    with pytest.raises(SpoolFailed, match="SPOOL_FOLDER cannot be written"):
        Spool(tmp_path / "spool", Secrets([KEY])).add(callback(1))


def test_a_file_that_another_process_appends_to_is_left_alone(spool: Spool, tmp_path: Path) -> None:
    spool.add(callback(1))
    database = Database()
    other = Spool(tmp_path / "spool", Secrets([KEY]))
    other.drain(database.store)
    assert database.taken == []
    spool._seal()
    other.drain(database.store)
    assert database.taken == [callback(1)]


def test_a_new_file_that_somebody_empties_at_once_loses_nothing(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the moment when it is made and the one when it is locked."""
    real, other, database = fcntl.flock, Spool(tmp_path / "spool", Secrets([KEY])), Database()
    meddled = []

    def flock(file: object, how: int) -> None:
        if how == fcntl.LOCK_EX and not meddled:
            meddled.append(file)
            other.drain(database.store)
            assert files(tmp_path) == []
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    spool.add(callback(1))
    assert meddled
    spool.drain(database.store)
    assert database.taken == [callback(1)]


def test_the_head_of_a_record_is_as_described(spool: Spool, tmp_path: Path) -> None:
    spool.add(callback(1))
    content = files(tmp_path)[0].read_bytes()
    assert int.from_bytes(content[:4]) == len(content) - 8
    assert int.from_bytes(content[4:8]) == zlib.crc32(content[8:])
