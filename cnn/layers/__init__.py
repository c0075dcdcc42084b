"""The layers of a network: specifications that know shapes, initial values and operations."""
