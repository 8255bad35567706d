"""How components are named, found and identified: the grammar, the registry, references to code, its identity."""
