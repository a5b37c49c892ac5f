"""How networks are trained (by the extra ``lm``), exported, and run without the library that trained them."""

from recloop.neural.graph import Graph
from recloop.neural.recipe import Recipe

__all__ = ["Graph", "Recipe"]
