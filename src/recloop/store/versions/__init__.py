"""One file per schema of the store, in the order in which they came."""
