"""A site's own adapter, trained on masks that its radiologists accepted."""
