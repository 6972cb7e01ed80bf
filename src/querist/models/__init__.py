"""Floor 3: what turns items into features, features into embeddings, and labels into a model."""
