"""The prior beside the current study: aligned, matched, compared."""
