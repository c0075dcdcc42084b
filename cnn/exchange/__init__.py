"""Models to and from other libraries."""
