"""Encoders: items in, features out; none of them ever sees a label."""
