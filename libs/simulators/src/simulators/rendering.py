"""Work that takes time: a queue, then a render, read off the clock when somebody asks."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

KEPT_TASKS = 20_000


@dataclass(slots=True)
class Timeline:
    """When a task leaves the queue and when it is done, in monotonic seconds; nothing has to tick for it."""

    queued_s: float
    render_s: float
    never: bool = False
    began: float = field(default_factory=time.monotonic)
    began_at: float = field(default_factory=time.time)

    @property
    def elapsed_s(self) -> float:
        """Seconds since acceptance."""
        return time.monotonic() - self.began

    @property
    def is_queued(self) -> bool:
        """Whether it still waits."""
        return self.elapsed_s < self.queued_s

    @property
    def is_done(self) -> bool:
        """Whether the result is there."""
        return not self.never and self.elapsed_s >= self.render_s

    @property
    def done_at(self) -> float:
        """Unix seconds of the end."""
        return self.began_at + self.render_s

    @property
    def running_at(self) -> float:
        """Unix seconds of the start of the render."""
        return self.began_at + self.queued_s


Task = TypeVar("Task")


class Tasks(Generic[Task]):
    """The last 20,000 tasks by id."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Task] = OrderedDict()

    def add(self, task_id: str, task: Task) -> None:
        """Keep a task; the oldest makes room."""
        self._kept[task_id] = task
        if len(self._kept) > KEPT_TASKS:
            self._kept.popitem(last=False)

    def get(self, task_id: str) -> Task | None:
        """The task, or None."""
        return self._kept.get(task_id)

    def drop(self, task_id: str) -> None:
        """Forget one."""
        self._kept.pop(task_id, None)

    def newest_first(self) -> list[Task]:
        """All of them."""
        return list(reversed(self._kept.values()))

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
