import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.sealing import (
    CHUNK_BYTES,
    FileOpener,
    FileSealer,
    Opener,
    SealBroken,
    Sealer,
    SealExpired,
    SealKeyGone,
    SealMismatch,
    rotate,
    sealed_size,
)

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
JOB, ACCOUNT = uuid4(), uuid4()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    rotate(tmp_path / "keys", NOW - HOUR)
    return tmp_path / "keys"


def sealer(keys: Path) -> Sealer:
    return Sealer(keys / "public.json")


def opener(keys: Path) -> Opener:
    return Opener(keys / "private.json")


def names(keys: Path, which: str = "public.json") -> list[str]:
    return [row["epoch"] for row in orjson.loads((keys / which).read_bytes())]


def test_a_body_opens_as_it_was_sealed(keys):
    body = {"prompt": "ein rotes Haus 🏠", "n": 2, "nested": {"list": [1, 2.5, None, True]}}
    sealed = sealer(keys).seal(JOB, ACCOUNT, NOW + HOUR, body)
    assert opener(keys).open(JOB, ACCOUNT, sealed.epoch, sealed.box, NOW) == body


def test_a_box_shows_nothing_of_its_body_and_never_looks_the_same_twice(keys):
    seal = sealer(keys)
    first = seal.seal(JOB, ACCOUNT, NOW + HOUR, {"prompt": "canary-" * 20})
    second = seal.seal(JOB, ACCOUNT, NOW + HOUR, {"prompt": "canary-" * 20})
    assert "canary" not in first.box
    assert first.box != second.box


@pytest.mark.parametrize(("job", "account"), [(uuid4(), ACCOUNT), (JOB, uuid4()), (ACCOUNT, JOB)])
def test_a_box_moved_to_another_job_or_account_is_refused(keys, job: UUID, account: UUID):
    sealed = sealer(keys).seal(JOB, ACCOUNT, NOW + HOUR, {"prompt": "x"})
    with pytest.raises(SealMismatch):
        opener(keys).open(job, account, sealed.epoch, sealed.box, NOW)


def test_a_box_is_refused_from_the_moment_it_expires(keys):
    sealed = sealer(keys).seal(JOB, ACCOUNT, NOW + HOUR, {"prompt": "x"})
    opener(keys).open(JOB, ACCOUNT, sealed.epoch, sealed.box, NOW + HOUR - timedelta(seconds=1))
    with pytest.raises(SealExpired):
        opener(keys).open(JOB, ACCOUNT, sealed.epoch, sealed.box, NOW + HOUR)


@pytest.mark.parametrize("box", ["", "AAAA", "not base64!", "A" * 4000, "ä"])
def test_what_is_not_a_box_is_refused_without_quoting_it(keys, box):
    with pytest.raises(SealBroken) as refusal:
        opener(keys).open(JOB, ACCOUNT, names(keys)[0], box, NOW)
    assert not box or box not in str(refusal.value)


def test_a_flipped_bit_anywhere_is_refused(keys):
    sealed = sealer(keys).seal(JOB, ACCOUNT, NOW + HOUR, {"prompt": "x" * 50})
    for at in range(0, len(sealed.box) - 4, 7):
        other = "A" if sealed.box[at] != "A" else "B"
        with pytest.raises(SealBroken):
            opener(keys).open(JOB, ACCOUNT, sealed.epoch, sealed.box[:at] + other + sealed.box[at + 1 :], NOW)


def test_an_unknown_epoch_is_looked_for_once_more_and_then_refused(keys):
    sealed = sealer(keys).seal(JOB, ACCOUNT, NOW + HOUR, {"prompt": "x"})
    with pytest.raises(SealKeyGone):
        opener(keys).open(JOB, ACCOUNT, "20200101T0000-00000000", sealed.box, NOW)


def test_an_opener_finds_a_key_made_after_it_started(keys):
    running = opener(keys)
    old = sealer(keys).seal(JOB, ACCOUNT, NOW + HOUR, {"prompt": "old"})
    running.open(JOB, ACCOUNT, old.epoch, old.box, NOW)
    rotate(keys, NOW + 30 * HOUR)
    newest = names(keys)[-1]
    with pytest.raises(SealBroken):  # it knows the epoch; the box is of another
        running.open(JOB, ACCOUNT, newest, old.box, NOW)


def test_the_first_rotation_makes_one_key_to_use_and_one_ahead(keys):
    rows = orjson.loads((keys / "public.json").read_bytes())
    assert [datetime.fromisoformat(row["not_before"]) for row in rows] == [NOW - HOUR, NOW + 23 * HOUR]
    assert names(keys) == names(keys, "private.json")


def test_repeating_a_rotation_changes_nothing(keys):
    before = (keys / "private.json").read_bytes(), (keys / "public.json").read_bytes()
    rotate(keys, NOW)
    assert ((keys / "private.json").read_bytes(), (keys / "public.json").read_bytes()) == before


def test_a_key_made_ahead_is_not_sealed_with_before_its_time(keys):
    sealed = sealer(keys).seal(JOB, ACCOUNT, NOW + HOUR, {})
    assert sealed.epoch == names(keys)[0]


def test_a_sealer_switches_by_the_clock_alone(tmp_path):
    keys = tmp_path / "keys"
    rotate(keys, NOW - 25 * HOUR)  # its second key became valid an hour ago
    assert sealer(keys).seal(JOB, ACCOUNT, NOW + HOUR, {}).epoch == names(keys)[1]


def test_a_running_sealer_notices_new_keys_within_a_second(keys):
    running = sealer(keys)
    first = running.seal(JOB, ACCOUNT, NOW + HOUR, {}).epoch
    for path in keys.iterdir():
        path.unlink()
    rotate(keys, NOW - HOUR)
    deadline = time.monotonic() + 1.5
    while running.seal(JOB, ACCOUNT, NOW + HOUR, {}).epoch == first:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_running_sealer_survives_a_key_file_that_is_away_or_garbled(keys):
    running = sealer(keys)
    running.seal(JOB, ACCOUNT, NOW + HOUR, {})
    (keys / "public.json").write_text("not json")
    running._keys._checked_at = float("-inf")
    running.seal(JOB, ACCOUNT, NOW + HOUR, {})
    (keys / "public.json").unlink()
    running._keys._checked_at = float("-inf")
    running.seal(JOB, ACCOUNT, NOW + HOUR, {})


def test_sealing_without_any_key_says_what_to_run(tmp_path):
    with pytest.raises(SealKeyGone, match=r"common\.sealing rotate"):
        sealer(tmp_path).seal(JOB, ACCOUNT, NOW + HOUR, {})


def test_keys_open_for_three_days_and_are_then_destroyed(tmp_path):
    keys = tmp_path / "keys"
    start = NOW - timedelta(hours=1)
    rotate(keys, start)
    sealed = sealer(keys).seal(JOB, ACCOUNT, NOW + 200 * HOUR, {"prompt": "x"})
    running = opener(keys)
    for hours in range(6, 72, 6):
        rotate(keys, start + timedelta(hours=hours))
        opener(keys).open(JOB, ACCOUNT, sealed.epoch, sealed.box, NOW)
    running.open(JOB, ACCOUNT, sealed.epoch, sealed.box, NOW)
    rotate(keys, start + timedelta(hours=72))
    assert sealed.epoch not in names(keys, "private.json") + names(keys)
    with pytest.raises(SealKeyGone):
        opener(keys).open(JOB, ACCOUNT, sealed.epoch, sealed.box, NOW)
    running._keys._checked_at = float("-inf")
    with pytest.raises(SealKeyGone):  # nor from the memory of one that had it
        running.open(JOB, ACCOUNT, sealed.epoch, sealed.box, NOW)


@given(hours=st.lists(st.integers(min_value=1, max_value=200), min_size=1, max_size=12))
def test_however_irregular_the_rotation_there_is_a_key_to_use_and_one_ahead(tmp_path_factory, hours):
    keys = tmp_path_factory.mktemp("keys")
    moment = NOW
    rotate(keys, moment)
    for step in hours:
        moment += timedelta(hours=step)
        epochs = rotate(keys, moment)
        assert sum(e.not_before > moment for e in epochs) == 1
        assert sum(e.not_before <= moment for e in epochs) >= 1
        assert epochs == tuple(sorted(epochs, key=lambda e: e.not_before))
        assert len(epochs) <= 5


def test_the_private_file_is_its_owners_alone(keys):
    assert (keys / "private.json").stat().st_mode & 0o777 == 0o600
    assert not list(keys.glob("*.new"))


def test_a_rotation_that_died_between_the_files_is_finished_by_the_next(keys):
    (keys / "public.json").write_text("[]")
    rotate(keys, NOW)
    assert names(keys) == names(keys, "private.json")


def test_the_command_rotates(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "common.sealing", "rotate", str(tmp_path / "new" / "keys")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.count("\n") == 2
    assert len(names(tmp_path / "new" / "keys")) == 2


def test_sealing_a_kilobyte_is_quick(keys):
    seal = sealer(keys)
    body = {"prompt": "x" * 1000}
    seal.seal(JOB, ACCOUNT, NOW + HOUR, body)
    began = time.process_time()
    for _ in range(200):
        seal.seal(JOB, ACCOUNT, NOW + HOUR, body)
    assert (time.process_time() - began) / 200 < 0.001  # about 50 us; the bound is for slow machines


SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 777]


def sealed_file(plain: bytes) -> tuple[str, bytes]:
    file = FileSealer()
    return file.key, file.update(plain) + file.finish()


def opened(key: str, sealed: bytes) -> bytes:
    file = FileOpener(key)
    return file.update(sealed) + file.finish()


@pytest.mark.parametrize("size", SIZES)
def test_a_file_opens_as_it_was_sealed_and_its_size_is_known_before(size):
    plain = bytes(i % 251 for i in range(size))
    key, sealed = sealed_file(plain)
    assert len(sealed) == sealed_size(size)
    assert opened(key, sealed) == plain


@given(cuts=st.lists(st.integers(min_value=1, max_value=CHUNK_BYTES), min_size=1, max_size=8))
def test_how_a_file_is_cut_on_its_way_does_not_matter(cuts):
    plain = b"abcdefgh" * (CHUNK_BYTES // 4)
    sealer, at, sealed = FileSealer(), 0, b""
    for cut in cuts:
        sealed += sealer.update(plain[at : at + cut])
        at += cut
    sealed += sealer.update(plain[at:]) + sealer.finish()
    opener, at, out = FileOpener(sealer.key), 0, b""
    for cut in reversed(cuts):
        out += opener.update(sealed[at : at + cut])
        at += cut
    out += opener.update(sealed[at:]) + opener.finish()
    assert out == plain


@pytest.mark.parametrize("missing", [1, 17, 18, CHUNK_BYTES, CHUNK_BYTES + 17, CHUNK_BYTES + 18, 10**9])
def test_a_file_cut_short_anywhere_is_refused(missing):
    key, sealed = sealed_file(b"x" * (3 * CHUNK_BYTES))
    with pytest.raises(SealBroken):
        opened(key, sealed[: max(0, len(sealed) - missing)])


def test_a_file_with_more_after_its_end_with_chunks_swapped_or_a_wrong_key_is_refused():
    key, sealed = sealed_file(b"x" * (2 * CHUNK_BYTES) + b"end")
    chunk = CHUNK_BYTES + 17
    swapped = sealed[:24] + sealed[24 + chunk : 24 + 2 * chunk] + sealed[24 : 24 + chunk] + sealed[24 + 2 * chunk :]
    for damaged in (sealed + b"more", sealed + sealed[24:], swapped, b"\0" + sealed[1:]):
        with pytest.raises(SealBroken):
            opened(key, damaged)
    with pytest.raises(SealBroken):
        opened(FileSealer().key, sealed)
    for key in ("", "AAAA", "not base64"):
        with pytest.raises(SealBroken):
            opened(key, sealed)


async def test_files_are_sealed_and_opened_as_streams():
    async def source(data: bytes, piece: int):
        for at in range(0, len(data), piece):
            yield data[at : at + piece]

    plain = b"0123456789" * 30_000
    sealer = FileSealer()
    sealed = b"".join([c async for c in sealer.stream(source(plain, 1000))])
    assert b"".join([c async for c in FileOpener(sealer.key).stream(source(sealed, 70_000))]) == plain
    with pytest.raises(SealBroken):
        async for _ in FileOpener(sealer.key).stream(source(sealed[:-1], 70_000)):
            pass
