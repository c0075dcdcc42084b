"""What solutions are worth: evaluators, metrics, batches."""
