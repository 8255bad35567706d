"""Components by name: the grammar, the registry, references to code, its identity."""
