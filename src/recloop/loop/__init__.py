"""The loop: a plan is run, judged, released, promoted and rolled back."""
