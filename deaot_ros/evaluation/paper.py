"""Figures of the paper's Tables 1 to 3 (Yang and Yang, NeurIPS 2022), in percent."""

from __future__ import annotations

_TABLES: dict[str, tuple[tuple[str, ...], dict[str, tuple[float, ...]]]] = {
    "davis16": (
        ("J&F", "J", "F"),
        {
            "deaot-t": (88.9, 87.8, 89.9),
            "deaot-s": (89.3, 87.6, 90.9),
            "deaot-b": (91.0, 89.4, 92.5),
            "deaot-l": (92.0, 90.3, 93.7),
            "r50-deaot-l": (92.3, 90.5, 94.0),
            "swinb-deaot-l": (92.9, 91.1, 94.7),
            "aot-t": (86.8, 86.1, 87.4),
            "aot-s": (89.4, 88.6, 90.2),
            "aot-b": (89.9, 88.7, 91.1),
            "aot-l": (90.4, 89.6, 91.1),
            "r50-aot-l": (91.1, 90.1, 92.1),
            "swinb-aot-l": (92.0, 90.7, 93.3),
        },
    ),
    "davis17": (
        ("J&F", "J", "F"),
        {
            "deaot-t": (80.5, 77.7, 83.3),
            "deaot-s": (80.8, 77.8, 83.8),
            "deaot-b": (82.2, 79.2, 85.1),
            "deaot-l": (84.1, 81.0, 87.1),
            "r50-deaot-l": (85.2, 82.2, 88.2),
            "swinb-deaot-l": (86.2, 83.1, 89.2),
            "aot-t": (79.9, 77.4, 82.3),
            "aot-s": (81.3, 78.7, 83.9),
            "aot-b": (82.5, 79.7, 85.2),
            "aot-l": (83.8, 81.1, 86.4),
            "r50-aot-l": (84.9, 82.3, 87.5),
            "swinb-aot-l": (85.4, 82.4, 88.4),
        },
    ),
    "davis17-test": (
        ("J&F", "J", "F"),
        {
            "deaot-t": (73.7, 70.0, 77.3),
            "deaot-s": (75.4, 71.9, 79.0),
            "deaot-b": (76.2, 72.5, 79.9),
            "deaot-l": (77.9, 74.1, 81.7),
            "r50-deaot-l": (80.7, 76.9, 84.5),
            "swinb-deaot-l": (82.8, 78.9, 86.7),
            "aot-t": (72.0, 68.3, 75.7),
            "aot-s": (73.9, 70.3, 77.5),
            "aot-b": (75.5, 71.6, 79.3),
            "aot-l": (78.3, 74.3, 82.3),
            "r50-aot-l": (79.6, 75.9, 83.3),
            "swinb-aot-l": (81.2, 77.3, 85.1),
        },
    ),
    "youtubevos18": (
        ("G", "J seen", "F seen", "J unseen", "F unseen"),
        {
            "deaot-t": (82.0, 81.6, 86.3, 75.8, 84.2),
            "deaot-s": (84.0, 83.3, 88.3, 77.9, 86.6),
            "deaot-b": (84.6, 83.9, 88.9, 78.5, 87.0),
            "deaot-l": (84.8, 84.2, 89.4, 78.6, 87.0),
            "r50-deaot-l": (86.0, 84.9, 89.9, 80.4, 88.7),
            "swinb-deaot-l": (86.2, 85.6, 90.6, 80.0, 88.4),
            "aot-t": (80.2, 80.1, 84.5, 74.0, 82.2),
            "aot-s": (82.6, 82.0, 86.7, 76.6, 85.0),
            "aot-b": (83.5, 82.6, 87.5, 77.7, 86.0),
            "aot-l": (83.8, 82.9, 87.9, 77.7, 86.5),
            "r50-aot-l": (84.1, 83.7, 88.5, 78.1, 86.1),
            "swinb-aot-l": (84.5, 84.3, 89.3, 77.9, 86.4),
        },
    ),
    "youtubevos19": (
        ("G", "J seen", "F seen", "J unseen", "F unseen"),
        {
            "deaot-t": (82.0, 81.2, 85.6, 76.4, 84.7),
            "deaot-s": (83.8, 82.8, 87.5, 78.1, 86.8),
            "deaot-b": (84.6, 83.5, 88.3, 79.1, 87.5),
            "deaot-l": (84.7, 83.8, 88.8, 79.0, 87.2),
            "r50-deaot-l": (85.9, 84.6, 89.4, 80.8, 88.9),
            "swinb-deaot-l": (86.1, 85.3, 90.2, 80.4, 88.6),
            "aot-t": (79.7, 79.6, 83.8, 73.7, 81.8),
            "aot-s": (82.2, 81.3, 85.9, 76.6, 84.9),
            "aot-b": (83.3, 82.4, 87.1, 77.8, 86.0),
            "aot-l": (83.7, 82.8, 87.5, 78.0, 86.7),
            "r50-aot-l": (84.1, 83.5, 88.1, 78.4, 86.3),
            "swinb-aot-l": (84.5, 84.0, 88.8, 78.4, 86.7),
        },
    ),
}

_TABLE_3 = {
    "deaot-s-coupled-256": (81.5, 81.4, 75.0),
    "deaot-s-coupled-512": (82.0, 82.1, 75.4),
    "deaot-s-8-heads": (82.5, 82.3, 75.8),
    "aot-s-1-head": (79.6, 80.1, 72.6),
    "deaot-s-match-both": (82.1, 82.2, 75.7),
    "deaot-s-self-visual": (82.2, 82.1, 75.7),
    "deaot-s-kernel-0": (81.1, 81.5, 74.2),
    "deaot-s-kernel-3": (82.2, 82.2, 76.1),
    "deaot-s-kernel-9": (82.4, 82.2, 75.8),
}
"""On YouTube-VOS 2018, trained without still images; so trained, deaot-s has (82.5, 82.3, 76.1) and
aot-s (80.3, 80.6, 73.7)."""

_VOT2020 = {
    "deaot-t": (47.2, 46.3),
    "deaot-s": (59.3, 55.9),
    "deaot-b": (57.1, 54.2),
    "deaot-l": (59.1, 55.4),
    "r50-deaot-l": (61.3, 57.1),
    "swinb-deaot-l": (62.2, 55.9),
    "aot-t": (43.5, 43.3),
    "aot-s": (51.2, 49.9),
    "aot-b": (54.1, 53.3),
    "aot-l": (57.4, 56.0),
    "r50-aot-l": (56.9, 54.0),
    "swinb-aot-l": (58.6, 52.3),
}
"""EAO, and real-time EAO on the authors' GPU."""


def paper_figures(benchmark: str, variant: str, real_time: bool = False) -> dict[str, float]:
    """Measure to percent, as the paper says of a variant; empty where it says nothing."""
    if benchmark == "vot2020":
        return {"EAO": _VOT2020[variant][real_time]} if variant in _VOT2020 else {}
    if benchmark == "youtubevos18" and variant in _TABLE_3:
        return dict(zip(("G", "J seen", "J unseen"), _TABLE_3[variant]))
    measures, rows = _TABLES.get(benchmark, ((), {}))
    return dict(zip(measures, rows.get(variant, ())))
