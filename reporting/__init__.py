"""Mask to measurements to findings to SR and drafts."""
