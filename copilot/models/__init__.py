"""Weights and sample studies: pinned registry packages, checked, installed once, offline after."""
