"""The report of a study: its fields, its versions, and the way to a signature."""
