"""Where the record lives: the ledger (SQL, append-only) and the artifacts (bytes under their hash)."""
