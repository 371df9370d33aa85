"""Hours of faults against the real node: ``deaot soak``."""
