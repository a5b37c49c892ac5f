"""The composition root: every use case once. No HTTP, no argv."""
