"""Reports that others wrote, read into findings."""
