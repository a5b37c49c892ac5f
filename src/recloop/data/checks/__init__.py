"""The parts of the check of data: each looks for one sort of trouble."""
