"""CPU time and memory of every process of a stack, by part."""

import statistics
import time
from dataclasses import dataclass

import psutil

SERVICES = ("GATEWAY", "BILLING", "DISPATCHER", "STORAGE", "NOTIFIER")
FAKES = ("S3", "SIMULATORS")
PARTS = (*SERVICES, "RABBITMQ", "POSTGRES", *FAKES, "SUPERVISOR")


@dataclass(frozen=True)
class Sample:
    """CPU seconds so far and resident MiB now."""

    cpu_s: dict[str, float]
    rss_mib: dict[str, float]


def sample(env: dict[str, str]) -> Sample:
    """All parts of the stack, each with the processes below it."""
    cpu_s, rss_mib = {}, {}
    for part in PARTS:
        pid = env.get(f"PID_{part}")
        if pid is None:
            continue
        process = psutil.Process(int(pid))
        below = [] if part == "SUPERVISOR" else process.children(recursive=True)
        cpu_s[part], rss_mib[part] = 0.0, 0.0
        for one in [process, *below]:
            try:
                times = one.cpu_times()
                cpu_s[part] += times.user + times.system
                memory = one.memory_full_info().pss if part == "POSTGRES" else one.memory_info().rss
                rss_mib[part] += memory / 2**20
            except psutil.NoSuchProcess:
                continue
    return Sample(cpu_s, rss_mib)


def idle_cpu_percent(env: dict[str, str], seconds: int) -> float:
    """Median over one-second windows of what the whole stack uses while nobody asks anything, in % of a core."""
    windows = []
    before = sum(sample(env).cpu_s.values())
    for _ in range(seconds):
        began = time.perf_counter()
        time.sleep(1)
        after = sum(sample(env).cpu_s.values())
        windows.append(100 * (after - before) / (time.perf_counter() - began))
        before = after
    return statistics.median(windows)


def host_speed_ms() -> float:
    """A fixed loop: hosts change speed under a virtual machine, and figures are to be read beside this."""
    began = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number
    assert total
    return (time.perf_counter() - began) * 1000
