"""Who may come in, and what each may do: accounts, sessions, OpenID Connect, roles."""
