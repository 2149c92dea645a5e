"""A dispatcher in a process of its own, with one job, that dies where ``CRASH_AT`` says, by SIGKILL."""

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

from common.contracts import JobReserved
from support.dispatcher import running_dispatcher
from support.postgres import FreshDatabase
from support.s3 import S3

_TESTS = Path(__file__).resolve().parents[1]


async def crashed(
    database: FreshDatabase, s3: S3, keys: Path, environ: dict[str, str], event: JobReserved, *, at: str
) -> bool:
    """Whether the process died at the failpoint; False if it came to a verdict without passing there."""
    order = {
        "admin_url": database.admin_url, "service_url": database.service_url, "s3": s3.url, "keys": str(keys),
        "environ": environ, "event": event.model_dump_json(),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.crashing"),
        cwd=_TESTS,
        env={**os.environ, "CRASH_AT": at},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(json.dumps(order).encode())
    assert process.returncode in {0, -9}, said.decode()[-2000:]
    return process.returncode == -9


async def _main() -> None:
    order = json.loads(sys.stdin.read())
    database, s3 = FreshDatabase(order["admin_url"], order["service_url"]), SimpleNamespace(url=order["s3"])
    async with running_dispatcher(database, s3, Path(order["keys"]), order["environ"]) as running:  # type: ignore[arg-type]
        await running.verdict(await running.take(JobReserved.model_validate_json(order["event"])), 60)


if __name__ == "__main__":
    asyncio.run(_main())
