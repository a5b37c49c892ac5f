"""recloop closes the recommender loop."""

__version__ = "0.1.0"
