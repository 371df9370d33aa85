"""How well and how fast: DAVIS measures, folders of results, speed of the network."""

from deaot_ros.evaluation.measures import (
    Scores,
    boundary_map,
    boundary_measure,
    region_similarity,
    sequence_scores,
)

__all__ = [
    "Scores",
    "boundary_map",
    "boundary_measure",
    "region_similarity",
    "sequence_scores",
]
