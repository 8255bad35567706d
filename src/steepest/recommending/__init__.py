"""What a model of ratings says: what to recommend to a user, and which items or users are alike."""
