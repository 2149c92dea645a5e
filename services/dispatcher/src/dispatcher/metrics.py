"""What the dispatcher counts. Labels are provider and model names of ours, never anything from a request."""

from common import telemetry

attempts = telemetry.counter(
    "dispatcher_attempts",
    "Upstream attempts that ended, by outcome (succeeded or a failure class).",
    ("provider", "model", "outcome"),
)
attempt_seconds = telemetry.histogram(
    "dispatcher_attempt_seconds", "From an attempt's submit to its end.", ("provider", "outcome")
)
failover_seconds = telemetry.histogram(
    "dispatcher_failover_seconds", "From a failing answer to the next route's request.", ("model",)
)
breaker_state = telemetry.gauge("dispatcher_breaker_state", "0 closed, 1 half-open, 2 open.", ("provider", "model"))
searched = telemetry.counter(
    "dispatcher_lost_submits_searched",
    "Submits without an answer that the provider was asked about.",
    ("provider", "outcome"),
)
cost_usd = telemetry.counter("upstream_cost_usd", "What providers say they charged.", ("provider", "model"))
slow_routes = telemetry.gauge("dispatcher_slow_routes", "1 while passed over as slow.", ("provider", "model"))
usable_keys = telemetry.gauge("dispatcher_usable_keys", "Keys of a provider that are not refused.", ("provider",))
open_orders = telemetry.gauge("dispatcher_open_orders", "Orders a provider works on for us.", ("provider",))
waited_seconds = telemetry.histogram("dispatcher_waited_seconds", "Waited for room at a provider.", ("kind",))
orphans = telemetry.counter(
    "orphan_generations", "Generations an upstream may make that nobody will use.", ("provider", "reason")
)
running = telemetry.gauge("dispatcher_running_jobs", "Jobs this process runs now.")
polling = telemetry.gauge("dispatcher_polled_generations", "Accepted generations this process asks about.")
poll_lateness = telemetry.histogram(
    "dispatcher_poll_lateness_seconds",
    "From when a generation was to be asked about to when it was.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60),
)
verdicts = telemetry.counter(
    "dispatcher_verdicts", "Jobs ended, by model and code (done, or why not).", ("model", "code")
)
taken_over = telemetry.counter("dispatcher_jobs_taken_over", "Jobs of dead owners taken.", ("how",))
republished = telemetry.counter("dispatcher_results_republished", "Results the sweeper published again.")
violations = telemetry.gauge("invariant_violations", "Rows that break an invariant; 0 always.", ("name",))
