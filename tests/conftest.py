"""What all tests share."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn skips one of its checks
os.environ.setdefault("KERAS_BACKEND", "torch")  # the one that is installed for comparisons
