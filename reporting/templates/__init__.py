"""Report templates: read, chosen, filled, and brought in from MRRT."""
