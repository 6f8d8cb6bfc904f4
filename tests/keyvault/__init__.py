"""A small Azure for tests: Entra's token endpoints and Key Vaults, on loopback, behind TLS."""
