"""When a submit counts as hanging, and when only this process did."""

import asyncio
import socket
import threading
import time

from dispatcher.running.hang_timer import HangTimer

AFTER_S = 0.15


async def test_it_rings_once_after_the_last_part_left():
    rung = []
    timer = HangTimer(AFTER_S, lambda: rung.append(time.monotonic()))
    timer()
    await asyncio.sleep(AFTER_S / 2)
    again = time.monotonic()
    timer()
    await asyncio.sleep(3 * AFTER_S)
    assert len(rung) == 1
    assert rung[0] - again >= AFTER_S - 0.01


async def test_an_answer_stops_it():
    rung = []
    timer = HangTimer(AFTER_S, lambda: rung.append(1))
    timer()
    timer.stop()
    await asyncio.sleep(2 * AFTER_S)
    assert not rung


async def test_without_a_limit_it_never_rings():
    rung = []
    timer = HangTimer(None, lambda: rung.append(1))
    timer()
    await asyncio.sleep(0.05)
    assert not rung


async def test_an_answer_that_lay_unread_while_this_process_stood_still_is_read_first():
    rung = []
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        timer = HangTimer(AFTER_S, lambda: rung.append(1))
        timer()
        answering = asyncio.create_task(reader.readexactly(8))
        answering.add_done_callback(lambda _: timer.stop())
        threading.Timer(AFTER_S / 3, theirs.sendall, (b"accepted",)).start()
        await asyncio.sleep(0)
        time.sleep(3 * AFTER_S)  # noqa: ASYNC251 - nothing else may run, that is the point
        assert await answering == b"accepted"
        await asyncio.sleep(2 * AFTER_S)
        writer.close()
        await writer.wait_closed()
    assert not rung


async def test_a_submit_that_hangs_while_this_process_stood_still_is_noticed_all_the_same():
    rung = []
    timer = HangTimer(AFTER_S, lambda: rung.append(1))
    timer()
    await asyncio.sleep(0)
    time.sleep(3 * AFTER_S)  # noqa: ASYNC251
    await asyncio.sleep(2 * AFTER_S)
    assert rung == [1]


async def test_a_process_that_is_late_all_the_time_still_notices():
    rung = []
    timer = HangTimer(AFTER_S, lambda: rung.append(1))
    timer()
    for _ in range(5):
        await asyncio.sleep(0.01)
        time.sleep(2 * AFTER_S)  # noqa: ASYNC251
    assert rung == [1]
