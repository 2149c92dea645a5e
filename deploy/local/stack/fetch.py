"""RabbitMQ and Erlang, unpacked from the distribution's packages into the checkout's cache, without root.

apt works on folders of its own here, so nothing of the machine is changed. The unpacked tree is kept under the
packages' versions and pointed at by a link; whoever finds the link needs neither apt nor a network.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.errors import CannotSetUp
from stack.program import die_with_parent
from stack.state import CACHE

_ALTERNATIVES = (
    "Set AMQP_URL to a RabbitMQ that runs already, or use the containers of docker-compose.yml, "
    "or run `make up` where apt and a Debian-like distribution's packages can be reached."
)
_ERLANG_SCRIPTS = ("usr/lib/erlang/bin/erl", "usr/lib/erlang/erts-*/bin/erl")


def rabbitmq_root(cache: Path = CACHE) -> Path:
    """The folder that holds the unpacked packages, fetched now if this checkout never did."""
    home = cache / "rabbitmq"
    home.mkdir(parents=True, exist_ok=True)
    with _alone(home / "lock"):
        current = home / "current"
        if not (current / "usr/lib/rabbitmq/bin/rabbitmq-server").exists():
            _fetch(home, current)
        return current.resolve()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two stacks of one checkout may start at once; one of them fetches, the other waits for it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(home: Path, current: Path) -> None:
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise CannotSetUp(f"RabbitMQ cannot be fetched: there is no {program} here. {_ALTERNATIVES}")
    for unfinished in home.glob("fetch-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="fetch-") as name:
        work = Path(name)
        packages = _download(work)
        tree = work / "root"
        tree.mkdir()
        for package in packages:
            _run(["dpkg-deb", "-x", str(package), str(tree)], work)
        make_relocatable(tree)
        versions = "\n".join(package.name for package in packages)
        kept = home / hashlib.sha256(versions.encode()).hexdigest()[:16]
        if not kept.exists():
            tree.rename(kept)
        link = work / "link"
        link.symlink_to(kept.name)
        link.rename(current)


def _download(work: Path) -> list[Path]:
    for folder in ("state/lists/partial", "cache/archives/partial", "debs"):
        (work / folder).mkdir(parents=True)
    status = Path("/var/lib/dpkg/status")
    installed = status.read_text(errors="replace") if status.exists() else ""
    (work / "status").write_text(without_broker(installed))
    apt = ["apt-get", "-q", "-y"] + [
        option
        for setting in (
            f"Dir::State={work / 'state'}",
            f"Dir::State::status={work / 'status'}",
            f"Dir::Cache={work / 'cache'}",
            "Debug::NoLocking=1",
            "APT::Sandbox::User=",
            "APT::Update::Error-Mode=any",
            "Acquire::Retries=2",
            "Acquire::http::Timeout=20",
            "Acquire::https::Timeout=20",
        )
        for option in ("-o", setting)
    ]
    _run([*apt, "update"], work)
    plan = _run([*apt, "install", "-s", "--no-install-recommends", "rabbitmq-server"], work)
    names = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    if "rabbitmq-server" not in names:
        raise CannotSetUp(f"This distribution's packages offer no rabbitmq-server. {_ALTERNATIVES}")
    _run([*apt, "download", *names], work / "debs")
    return sorted((work / "debs").glob("*.deb"))


def without_broker(status: str) -> str:
    """The list of installed packages less those we unpack ourselves, so that apt offers them even if installed."""
    paragraphs = status.split("\n\n")
    return "\n\n".join(p for p in paragraphs if not re.match(r"Package: (erlang|rabbitmq)", p.lstrip("\n")))


def make_relocatable(tree: Path) -> None:
    """Let ``RMQ_ERLANG_ROOT`` say where Erlang lies: Debian wrote its place into two scripts.

    Both are needed: RabbitMQ starts epmd through the second one and dies without it.
    """
    for pattern in _ERLANG_SCRIPTS:
        for script in tree.glob(pattern):
            text = script.read_text()
            script.write_text(text.replace("ROOTDIR=/usr/lib/erlang", "ROOTDIR=${RMQ_ERLANG_ROOT:-/usr/lib/erlang}"))


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        preexec_fn=die_with_parent,
    )
    if done.returncode != 0:
        complaints = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:", "dpkg"))]
        reason = (complaints or done.stderr.splitlines() or ["it gave no reason"])[-1].strip()
        raise CannotSetUp(f"RabbitMQ cannot be fetched: `{command[0]}` says: {reason} {_ALTERNATIVES}")
    return done.stdout
