"""Pre-processing: declared steps, groups of duplicates, and splits that no group straddles."""
