"""The strategy ``two-tower``: what its towers read, how they begin, how they are trained, how they are served."""
