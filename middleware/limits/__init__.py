"""Limits by plan, a rate per minute and a burst for each token, and bounds on what anonymous callers cost."""
