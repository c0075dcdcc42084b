"""What all tests share."""

import os
import shutil
import signal

from hypothesis import settings

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn skips one of its checks
os.environ.setdefault("KERAS_BACKEND", "torch")  # the one that is installed for comparisons
if shutil.which("nvidia-smi") is None:
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton is first imported

# A job in the background of a shell is started with Ctrl-C ignored; the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A landing does not hang on the luck of a draw; `make test` draws anew each time.
settings.register_profile("usual", deadline=None)  # a busy machine is no fault
settings.register_profile("landing", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))
