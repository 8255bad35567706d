"""What a model of ratings says: what to recommend to a user, and which items or users are alike."""

TOP = 10
"""How long a list is."""

LEAST_RATINGS = 1
"""How many ratings those in a list have at least."""

MEASURE = "cosine"
"""By what vectors are compared."""
