"""Training paths: the weights of a run at some of its steps, and the plane in which they are seen."""
