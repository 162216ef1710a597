"""Report templates of others, in HTML by IHE's profile MRRT, brought into our own form."""
