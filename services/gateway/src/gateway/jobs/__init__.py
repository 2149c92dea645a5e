"""The customer's view of jobs: submitting, waiting, projecting."""
