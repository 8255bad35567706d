"""What an optimizer does on problems so small that every number can be shown."""

STEPS = 10
DIFFERENCE = 1e-4
"""By how much a parameter is moved for the estimated gradient."""
