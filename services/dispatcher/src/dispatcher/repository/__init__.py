"""All SQL of the dispatcher, one file per thing that is done with a job.

Every write to a job that runs is conditional on (owner, generation): whoever lost a job changes nothing.
"""
