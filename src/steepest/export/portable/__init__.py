"""Modules that are copied beside an exported model; none of them imports anything else of steepest."""
