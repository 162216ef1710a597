"""Solid lesions in aerated lung: found as candidates, outlined from a box, line or click."""
