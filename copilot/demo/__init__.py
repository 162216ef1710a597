"""The main job on a real study, from nothing: see ``radcopilot demo``."""
