"""The public API: two families over the same jobs, and the one place that turns an error's code into a status."""
