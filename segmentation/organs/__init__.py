"""Organs found by name on CT."""
