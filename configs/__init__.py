"""Data shipped in the wheel: settings, concepts, lexicon, templates."""
