"""All SQL about jobs."""

from gateway.jobs.repository.marks import MarkRows
from gateway.jobs.repository.overdue import Overdue, OverdueRows
from gateway.jobs.repository.projecting import ProjectionRows
from gateway.jobs.repository.reading import JobRows
from gateway.jobs.repository.submitting import SubmissionRows

__all__ = ["JobRows", "MarkRows", "Overdue", "OverdueRows", "ProjectionRows", "SubmissionRows"]
