"""Work that is finished whatever is switched off in between."""
