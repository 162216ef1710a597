"""The hospital's network and its files: instances to volumes, masks to SEG, peers and the index."""
