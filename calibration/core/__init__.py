"""Pure statistics: arrays in, values out; no framework, clock, database or global randomness."""
