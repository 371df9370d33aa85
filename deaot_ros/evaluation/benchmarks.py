"""The benchmarks that can be run: where their files are, what counts, who scores them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deaot_ros.datasets.evaluation import (
    EvaluationVideo,
    clip_videos,
    davis_videos,
    lvos_videos,
    training_categories,
    vost_videos,
    youtube_vos_videos,
)
from deaot_ros.datasets.evaluation_check import check_video
from deaot_ros.datasets.vot import vot_videos
from deaot_ros.errors import DatasetError
from deaot_ros.evaluation import protocols
from deaot_ros.evaluation.protocols import ObjectScores

_SHOWN = 40
"""Problems that an error lists; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files are.

    Attributes:
        data: root of the data set.
        resolution: "480p" or "Full-Resolution" (DAVIS).
        fps: 6 or 30 (YouTube-VOS).
        truth: folder with the ground truth of YouTube-VOS, for who has it.
        real_time: the tracker misses frames that come while it works (VOT).
    """

    data: Path
    resolution: str = "480p"
    fps: int = 6
    truth: Path | None = None
    real_time: bool = False


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One set of videos with its rules.

    Attributes:
        title: for people.
        rule: see ``protocols.score_video``.
        published: run with the memory of the paper (else with the bounded one of this package).
        archive: folder inside the zip that holds the videos; "" for none.
        server: who scores it where ground truth is not public.
        packed_as: "masks", or "trajectories" as the VOT toolkit reads them.
    """

    title: str
    rule: str
    videos: Callable[[Source, list[str]], list[EvaluationVideo]]
    summary: Callable[[list[ObjectScores], Source], dict[str, float]]
    published: bool
    archive: str = ""
    server: str = ""
    packed_as: str = "masks"


def _davis(year: str, split: str, source: Source, problems: list[str]) -> list[EvaluationVideo]:
    return davis_videos(source.data, year, split, source.resolution, problems)


def _youtube(source: Source, problems: list[str]) -> list[EvaluationVideo]:
    return youtube_vos_videos(source.data, source.fps, source.truth, problems)


def _davis_summary(objects: list[ObjectScores], _: Source) -> dict[str, float]:
    return protocols.davis_summary(objects)


def _youtube_summary(objects: list[ObjectScores], source: Source) -> dict[str, float]:
    return protocols.youtube_vos_summary(objects, training_categories(source.data))


_YOUTUBE = partial(
    Benchmark,
    rule="after",
    videos=_youtube,
    summary=_youtube_summary,
    published=True,
    archive="Annotations",
)

BENCHMARKS = {
    "davis16": Benchmark(
        "DAVIS-2016 val", "inner", partial(_davis, "2016", "val"), _davis_summary, True
    ),
    "davis17": Benchmark(
        "DAVIS-2017 val", "inner", partial(_davis, "2017", "val"), _davis_summary, True
    ),
    "davis17-test": Benchmark(
        "DAVIS-2017 test-dev", "inner", partial(_davis, "2017", "test-dev"), _davis_summary, True,
        server="the DAVIS-2017 test-dev server",
    ),
    "youtubevos18": _YOUTUBE("YouTube-VOS 2018 val", server="the YouTube-VOS 2018 server"),
    "youtubevos19": _YOUTUBE("YouTube-VOS 2019 val", server="the YouTube-VOS 2019 server"),
    "vot2020": Benchmark(
        "VOT 2020", "whole",
        lambda source, problems: vot_videos(source.data, source.real_time, problems),
        lambda objects, _: protocols.vot_summary(objects), True,
        packed_as="trajectories",
    ),
    "lvos": Benchmark(
        "LVOS val", "spans",
        lambda source, problems: lvos_videos(source.data, "val", problems),
        lambda objects, _: protocols.lvos_summary(objects), False,
    ),
    "vost": Benchmark(
        "VOST val", "inner",
        lambda source, problems: vost_videos(source.data, problems),
        lambda objects, _: protocols.vost_summary(objects), False,
    ),
    "clips": Benchmark(
        "clips", "inner",
        lambda source, problems: clip_videos(source.data, problems),
        _davis_summary, False,
    ),
}  # fmt: skip


def find_videos(benchmark: Benchmark, source: Source) -> list[EvaluationVideo]:
    """The videos, after a look at every file.

    Raises:
        DatasetError: something is wrong; all of it is listed.
    """
    problems: list[str] = []
    videos = benchmark.videos(source, problems)
    checked: set[Path] = set()
    for video in videos:
        problems += check_video(video, source.resolution == "480p", checked)
    if not videos and not problems:
        problems.append(f"no videos in {source.data}")
    if problems:
        more = len(problems) - _SHOWN
        listed = "; ".join(f"({n}) {p}" for n, p in enumerate(problems[:_SHOWN], 1))
        raise DatasetError(
            f"{source.data} cannot be used for {benchmark.title}, {len(problems)} problems: "
            f"{listed}{f'; and {more} more' if more > 0 else ''}; nothing was run"
        )
    return videos
