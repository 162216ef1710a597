"""What a CT shows by its numbers alone: lungs, body, fat and air."""
