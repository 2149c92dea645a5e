"""Commands that run once and end: migrations, key rotation, an operator's orders."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stack.errors import CannotSetUp


async def python(*arguments: str, env: Mapping[str, str], log: Path | None = None, limit_s: float = 60) -> str:
    """Run ``python -m ...`` to its end and return what it printed.

    The last line of its complaint is the error; all of it goes to the log, if there is one.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(limit_s):
            printed, complaints = await process.communicate()
    except TimeoutError as reason:
        process.kill()
        await process.wait()
        raise CannotSetUp(f"`{' '.join(arguments[:3])}` did not end within {limit_s:.0f} s") from reason
    if process.returncode != 0:
        if log is not None:
            with log.open("ab") as file:
                file.write(complaints)
        lines = [line for line in complaints.decode(errors="replace").splitlines() if line.strip()]
        raise CannotSetUp(f"`{' '.join(arguments[:3])}` failed: {lines[-1] if lines else 'it gave no reason'}")
    return printed.decode()


def last_json(printed: str) -> dict[str, Any]:
    """The JSON object a command printed on its last line."""
    found = json.loads(printed.strip().splitlines()[-1])
    assert isinstance(found, dict)
    return found
