"""The command line: a contract, see the README."""
