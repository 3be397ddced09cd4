"""A web process: what it loads before its first request."""

import subprocess
import sys


def test_web_process_loads_no_scipy() -> None:
    probe = (
        "import sys, warnings; warnings.simplefilter('ignore');"
        "import reviewqueue.wsgi, reviewqueue.urls;"
        "print(sorted({'sklearn', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"
