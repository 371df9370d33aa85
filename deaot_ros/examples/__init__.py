"""Small nodes that use what the tracker publishes; to run, and to start one's own from."""
