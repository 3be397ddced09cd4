"""Insight: what pages show of a stream's loop, counted and drawn by a worker beforehand."""
