"""RabbitMQ from the unpacked packages: one node, loopback only, beside any other on the machine."""

import os
from pathlib import Path

from stack import fetch, probes
from stack.program import Program
from stack.state import State

_ERL_FLAGS = (
    # Distribution would listen on every interface.
    "-kernel inet_dist_use_interface {127,0,0,1} "
    # No busy-waiting, and one scheduler bound to no core: the machine is shared with everything else.
    "+sbwt none +sbwtdcpu none +sbwtdio none +S 1:1 +stbt u"
)


def programs(state: State, ports: tuple[int, int, int], password: str, cookie: str) -> tuple[Program, Program]:
    """Erlang's name server (epmd) and the broker; ports are those of AMQP, distribution and epmd."""
    root = fetch.rabbitmq_root()
    home = state.root / "rabbitmq"
    _write_configuration(home, state, ports[0], password, cookie)
    env = _environment(root, home, ports)
    erts = next((root / "usr/lib/erlang").glob("erts-*"))
    name_server = Program(
        name="epmd",
        argv=(str(erts / "bin/epmd"), "-address", "127.0.0.1", "-port", str(ports[2])),
        env=env,
        log=state.logs / "rabbitmq.out.log",
        ready=lambda: probes.port("127.0.0.1", ports[2]),
        folder=home,
    )
    broker = Program(
        name="rabbitmq",
        argv=(str(root / "usr/lib/rabbitmq/bin/rabbitmq-server"),),
        env=env,
        log=state.logs / "rabbitmq.out.log",
        ready=lambda: probes.amqp("127.0.0.1", ports[0]),
        folder=home,
        patience_s=20,
    )
    return name_server, broker


def url(port: int, password: str) -> str:
    """The broker's address for its one login."""
    return f"amqp://reapi:{password}@127.0.0.1:{port}/"


def _write_configuration(home: Path, state: State, port: int, password: str, cookie: str) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    for folder in ("mnesia", "erlang"):
        (home / folder).mkdir(exist_ok=True)
    (home / "env.conf").write_text("")  # else the machine's own is read
    (home / "enabled_plugins").write_text("[].\n")
    configuration = home / "rabbitmq.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f"""\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = reapi
default_pass = {password}
log.console = false
log.dir = {state.logs}
log.file = rabbitmq.log
log.file.level = warning
max_message_size = 1048576
raft.wal_max_size_bytes = 67108864
collect_statistics_interval = 60000
"""
    )
    secret = home / "erlang" / ".erlang.cookie"
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(cookie)
        secret.chmod(0o400)


def _environment(root: Path, home: Path, ports: tuple[int, int, int]) -> dict[str, str]:
    amqp, distribution, epmd = ports
    library = root / "usr/lib/rabbitmq/lib"
    release = next(library.iterdir())
    triplets = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    return {
        "PATH": f"{root}/usr/lib/erlang/bin:{root}/usr/lib/rabbitmq/bin:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "LD_LIBRARY_PATH": ":".join(str(folder) for folder in triplets),
        "LANG": "C.UTF-8",
        "HOME": str(home / "erlang"),
        "RMQ_ERLANG_ROOT": str(root / "usr/lib/erlang"),
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RUNNING_UNDER_SYSTEMD": "true",  # makes the script become the Erlang VM instead of guarding it
        "RABBITMQ_HOME": str(release),
        "RABBITMQ_PLUGINS_DIR": str(release / "plugins"),
        "RABBITMQ_NODENAME": "reapi@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(amqp),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home.parent / "logs"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "env.conf"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERL_FLAGS,
    }
