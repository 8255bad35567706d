"""Methods that are no rules: several gradients a step, one method a file."""
