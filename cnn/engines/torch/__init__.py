"""The engine that runs networks with PyTorch, on a GPU or on the cores of this machine."""
