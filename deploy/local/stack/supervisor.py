"""The daemon behind `make up`: brings the stack up in order, keeps it up, takes it down."""

import asyncio
import json
import signal
from collections.abc import Awaitable

import psycopg
from psycopg import sql

from stack import account, calls, environment, once, probes
from stack.child import Child, say
from stack.choices import Choices
from stack.errors import CannotSetUp
from stack.plan import DATABASE, Plan
from stack.ports import Ports
from stack.program import Program
from stack.state import SERVICES, State, read_json, write_atomically
from stack.status import FAILED, READY, STOPPING, Status

_START_LIMIT_S = 90
_FOREIGN_LIMIT_S = 10
_KEYS_EVERY_S = 3600
_STATE_LOOKED_AT_EVERY_S = 5
_STOP_ORDER = (SERVICES, ("simulators", "stripe", "s3"), ("rabbitmq",), ("epmd", "postgres"))


class Supervisor:
    """One per state folder."""

    def __init__(self, state: State, choices: Choices, *, infrastructure_only: bool, status: Status) -> None:
        self._state = state
        self._infrastructure_only = infrastructure_only
        self._status = status
        self._ports = Ports(read_json(state.ports))
        self._plan = Plan(state, choices, self._ports)
        self._chosen = choices.addresses()
        self._unpublished = False
        self._children: dict[str, Child] = {}
        self._over = asyncio.Event()
        self._log = state.logs / "commands.log"
        write_atomically(state.ports, json.dumps(self._ports.chosen()))

    async def run(self, supervisor_pid: int) -> None:
        """From the first start to the last stop; returns when told to end or when the stack cannot start."""
        self._pid = supervisor_pid
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        over = asyncio.create_task(self._over.wait())
        bringing_up = asyncio.create_task(self._bring_up())
        await asyncio.wait((over, bringing_up), return_when=asyncio.FIRST_COMPLETED)
        if bringing_up.done():
            error = _sentence(bringing_up)
            if error is None:
                self._status.phase = READY
                self._publish()
                await self._until_over(over)
            else:
                self._status.error = error
        bringing_up.cancel()
        await self._take_down()

    async def _until_over(self, over: "asyncio.Task[bool]") -> None:
        chores = [asyncio.create_task(self._watch_state_folder())]
        if not self._infrastructure_only:
            chores.append(asyncio.create_task(self._renew_keys()))
        await over
        for chore in chores:
            chore.cancel()

    async def _bring_up(self) -> None:
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._start_broker())
            if self._plan.own_objects:
                parts.create_task(self._start(self._plan.objects()))
            if self._infrastructure_only:
                parts.create_task(self._start_database())
            else:
                parts.create_task(self._start(self._plan.simulators()))
                if self._plan.own_stripe:
                    parts.create_task(self._start(self._plan.stripe()))
                parts.create_task(self._start_services())
        if not self._infrastructure_only:
            await asyncio.gather(self._have_demo_account(), self._prepare_buckets())

    async def _start_services(self) -> None:
        """All five at once, as soon as their schemas and keys are there; for the broker they wait by themselves."""
        await asyncio.gather(self._start_database(), self._rotate_keys())
        for service in SERVICES:
            given = self._plan.service_environment(service)
            environment.save_service_environment(self._state, service, given)
        async with asyncio.TaskGroup() as parts:
            for service in SERVICES:
                parts.create_task(self._start(self._plan.service(service)))

    async def _start(self, program: Program) -> None:
        child = Child(program, self._state.pids, self._publish)
        self._children[program.name] = child
        self._status.parts[program.name] = child.part
        await child.ready(_START_LIMIT_S)

    async def _start_database(self) -> None:
        plan = self._plan
        if plan.own_database:
            await self._start(await asyncio.to_thread(plan.postgres))
            await _have_database(plan.maintenance_url())
        else:
            await _reachable("DATABASE_URL", probes.database(plan.addresses.database_url))
        if not self._infrastructure_only:
            await once.python("stack", "migrate", env=plan.migration_environment(), log=self._log)

    async def _start_broker(self) -> None:
        if self._plan.own_broker:
            name_server, broker = await asyncio.to_thread(self._plan.broker)
            await self._start(name_server)
            await self._start(broker)
        else:
            await _reachable("AMQP_URL", probes.amqp(*self._plan.broker_address()))

    async def _have_demo_account(self) -> None:
        """The account of `env`: made once, and again should its database be another one now."""
        demo = read_json(self._state.demo)
        gateway = self._plan.addresses.services["gateway"]
        if demo:
            known: bool = await asyncio.to_thread(_key_works, gateway, demo["api_key"])
            if known:
                return
        made = await account.create(self._plan.service_environment, account.Wanted("demo@localhost", "100000"))
        write_atomically(self._state.demo, json.dumps(made))

    async def _prepare_buckets(self) -> None:
        await once.python("storage", "buckets", env=self._plan.service_environment("storage"), log=self._log)

    async def _rotate_keys(self) -> None:
        await once.python("common.sealing", "rotate", str(self._state.keys), env=environment.machine(), log=self._log)

    async def _renew_keys(self) -> None:
        while True:
            await asyncio.sleep(_KEYS_EVERY_S)
            try:
                await self._rotate_keys()
            except (CannotSetUp, OSError) as reason:
                say(f"sealing keys were not renewed: {reason}")

    async def _watch_state_folder(self) -> None:
        """A stack whose folder was deleted could never be stopped by command: it stops itself."""
        while self._state.lock.exists():
            if self._unpublished:
                self._publish()
            await asyncio.sleep(_STATE_LOOKED_AT_EVERY_S)
        self._over.set()

    def _publish(self) -> None:
        """Tell the world: called at every start, readiness and end of a part, none of which may fail over it."""
        if not self._state.run.exists():
            return
        pids = {name: part.pid for name, part in self._status.parts.items() if part.pid is not None}
        pids["supervisor"] = self._pid
        plan = self._plan
        try:
            self._status.write(self._state)
            environment.write_client_file(self._state, plan.addresses, plan.database_urls, pids, self._chosen)
        except OSError as reason:
            self._unpublished = True
            say(f"the stack's state could not be written: {reason}")
        else:
            self._unpublished = False

    async def _take_down(self) -> None:
        if not self._status.error:
            self._status.phase = STOPPING
            self._publish()
        for group in _STOP_ORDER:
            await asyncio.gather(*(self._children[name].stop() for name in group if name in self._children))
        self._ports.close()
        if self._status.error:
            self._status.phase = FAILED
            self._publish()


def _sentence(task: "asyncio.Task[None]") -> str | None:
    """Why the stack cannot start, for whoever waits for it; None if it did."""
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is None:
        return None
    return str(error) if isinstance(error, CannotSetUp) else f"{type(error).__name__}: {error}"


async def _reachable(variable: str, probe: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(_FOREIGN_LIMIT_S):
            await probe
    except TimeoutError as reason:
        raise CannotSetUp(
            f"Nothing answers at {variable}. Check the address, or unset it to use a private one."
        ) from reason


async def _have_database(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = await connection.execute("select 1 from pg_database where datname = %s", (DATABASE,))
        if await found.fetchone() is None:
            await connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))


def _key_works(gateway: str, api_key: str) -> bool:
    """Whether the gateway still knows the key; without a plain no, it does."""
    try:
        return calls.get(f"{gateway}/api/v1/balance", api_key).status != 401
    except OSError:
        return True
