"""Timings of scorefield, as ratios within one run: ``make bench``."""
