"""All SQL of billing, one file per thing that is done with the ledger."""
