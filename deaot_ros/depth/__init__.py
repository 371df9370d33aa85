"""Objects in space: masks and an aligned depth image in, positions, sizes and points out."""
