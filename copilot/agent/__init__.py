"""The agent: from words to checked proposals, by a language model or by rules alone."""
