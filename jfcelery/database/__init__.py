"""The queue in MongoDB: its documents, and every change of them."""
