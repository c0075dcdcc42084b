"""The short way from data to a trained network."""
