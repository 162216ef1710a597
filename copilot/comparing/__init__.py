"""A study beside its prior: lesions sought on both, matched, and what became of them."""
