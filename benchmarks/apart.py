"""A measurement in a process of its own, so that the peak of its memory is its own."""

import json
import subprocess
import sys
from collections.abc import Callable

# Models can only be imported once Django is set up.
_CHILD = """
import json, sys
from importlib import import_module
import django
django.setup()
module, name, *words = sys.argv[1:]
print(json.dumps(getattr(import_module(module), name)(*words)))
"""


def measure_apart(measure: Callable[..., dict[str, float]], *words: str) -> dict[str, float]:
    """The figures that a function of a module finds there, given the words."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, measure.__module__, measure.__name__, *words],
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
