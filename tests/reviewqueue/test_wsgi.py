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


def test_web_process_looks_for_no_garbage_in_what_it_loaded() -> None:
    probe = (
        "import gc, sys, warnings; warnings.simplefilter('ignore');"
        "import reviewqueue.wsgi;"
        "print('reviewqueue.views.review' in sys.modules, gc.get_freeze_count() > 50_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "True True\n"
