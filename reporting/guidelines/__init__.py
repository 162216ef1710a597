"""Published rules as tables: a category with the line that led to it, or what is missing."""
