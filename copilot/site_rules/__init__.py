"""What a site lets happen by itself: which series, which command, and what may leave."""
