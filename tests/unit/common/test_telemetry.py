"""Traces: decided once per job, carried along, free when not recorded."""

import json
from pathlib import Path

import pytest

from common import telemetry


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    return tmp_path / "traces.jsonl"


def test_a_recorded_job_is_one_trace_over_all_hops(traces: Path) -> None:
    telemetry.setup("test", level="INFO", ratio=1.0, trace_file=traces, otlp_endpoint=None)
    telemetry.begin_trace()
    with telemetry.span("first"):
        carried = telemetry.current_traceparent()
    telemetry.continue_trace(carried)
    with telemetry.span("second", job_id="j"):
        pass
    telemetry.stop()
    spans = [json.loads(line) for line in traces.read_text().splitlines()]
    assert [span["name"] for span in spans] == ["first", "second"]
    assert spans[0]["context"]["trace_id"] == spans[1]["context"]["trace_id"]
    assert spans[1]["parent_id"] == spans[0]["context"]["span_id"]


def test_an_unrecorded_job_carries_nothing(traces: Path) -> None:
    telemetry.setup("test", level="INFO", ratio=0.0, trace_file=traces, otlp_endpoint=None)
    telemetry.begin_trace()
    with telemetry.span("first"):
        assert telemetry.current_traceparent() is None


def test_the_text_of_an_error_stays_out_of_the_traces(traces: Path) -> None:
    telemetry.setup("test", level="INFO", ratio=1.0, trace_file=traces, otlp_endpoint=None)
    telemetry.begin_trace()
    with pytest.raises(ValueError, match="canary"), telemetry.span("failing"):
        raise ValueError("canary of a prompt")
    telemetry.stop()
    written = traces.read_text()
    assert "canary" not in written
    assert json.loads(written)["status"] == {"status_code": "ERROR", "description": "ValueError"}
