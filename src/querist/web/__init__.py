"""The labeling page and the HTTP API: thin edges over the verbs of `pipeline`."""
