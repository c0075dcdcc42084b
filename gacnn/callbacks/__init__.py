"""What watches a run, and ends it."""
