"""The served model: one deployed folder behind HTTP, without database or pipeline."""
