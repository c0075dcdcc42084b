"""The engine that needs NumPy alone."""
