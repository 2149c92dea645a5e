"""What a module logs, in a test: whoever configured logging first, and wherever pytest has put stdout since."""

import io
from types import ModuleType

import pytest
import structlog


def heard(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> io.StringIO:
    """The lines that ``module.log`` writes from now on, with errors written out as in production."""
    lines = io.StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(lines),
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
    )
    monkeypatch.setattr(module, "log", logger)
    return lines
