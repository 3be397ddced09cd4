"""Review Queue: the Django project, review tasks, verdicts, API and screens."""

import os

# Threads of BLAS wait for each other actively: where other processes have work too, small products
# take milliseconds instead of microseconds, and a recalibration twice as long. Processes and
# workers are what uses the cores. To be said before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
