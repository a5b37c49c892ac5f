"""The HTTP service: one typed table of routes over the use cases of ``recloop.app``."""
