"""How fast it is (`make bench`) and what survives kill -9 (`make faults`)."""
