"""Events, items and users as tables and arrays: read, checked, split."""
