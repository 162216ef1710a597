"""Findings and masks in the formats of other systems."""
