"""The composition root: the one place where rooms are put together, in ``house``."""
