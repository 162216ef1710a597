"""How well an engine does on cases with a reference mask: what a site asks before it uses one."""
