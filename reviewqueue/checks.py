"""System checks: a misconfiguration says how to mend it."""
