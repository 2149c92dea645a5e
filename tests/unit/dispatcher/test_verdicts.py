"""What is said of a job at its end."""

from datetime import timedelta
from uuid import UUID

from common import clock
from common.catalogue import load
from common.contracts import GeneratedOutput, JobGenerated
from dispatcher.domain.jobs import Job
from dispatcher.running.runs import Made
from dispatcher.running.verdicts import dump, generated
from dispatcher.running.verdicts import load as loaded

MADE = [Made("fal", GeneratedOutput(index=0, url="https://x/0.mp4"))]


def a_job(model: str, **parameters: object) -> Job:
    return Job(
        job_id=UUID(int=1),
        account_id=UUID(int=2),
        model=model,
        kind="video",
        mode="enhance",
        outputs=1,
        parameters=parameters,
        epoch="e",
        deadline_at=clock.now() + timedelta(seconds=60),
        synchronous=False,
        livemode=True,
        replica="r",
    )


def test_a_film_whose_source_was_only_declared_travels_with_its_bounds() -> None:
    model = load().find("enhance-video-1.0")
    assert model is not None
    job = a_job(model.id, source_seconds=7, source_resolution="720p", target_resolution="4k", target_fps=30)
    verdict = generated(job, MADE, (), model.most(job.parameters))
    assert (verdict.most_ms, verdict.most_edge) == (7_500, 2_268)
    assert loaded(dump(verdict)) == verdict


def test_all_others_have_none_and_a_verdict_of_an_older_process_is_understood() -> None:
    verdict = generated(a_job("veo-3.1"), MADE, ())
    assert (verdict.most_ms, verdict.most_edge) == (None, None)
    older = dump(verdict)
    del older["message"]["most_ms"], older["message"]["most_edge"]
    assert isinstance(loaded(older), JobGenerated)
