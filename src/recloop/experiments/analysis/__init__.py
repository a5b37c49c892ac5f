"""Experiments whose data lie elsewhere: read where they lie, by one query, and judged by the same rule."""
