"""The genetic operators."""
