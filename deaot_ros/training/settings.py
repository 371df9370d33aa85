"""The numbers of one training stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from deaot_ros.network.variants import get_variant

STAGES = ("static", "video", "synthetic")
PRECISIONS = ("fp32", "amp")


@dataclass(frozen=True)
class TrainSettings:
    """One stage of training.

    The defaults are those of training from random weights on synthetic scenes; the files in
    ``config/train`` hold the numbers of every stage. Losses, schedule and optimiser are the
    paper's; where a default is not, it says so.

    Attributes:
        stage: what clips are made of: "static" images, "video" or "synthetic" scenes.
        data: folders of the data sets of the stages static and video.
        variant: network to train.
        steps: length of the stage.
        size: side of the square frames, px, 16 k + 1 (Swin: 16 k).
        alternate_size: side of the frames of every second step, with fewer clips for the same
            number of pixels; 0: `size` always (ours).
        batch: clips per step, of all processes together.
        frames: supervised frames per clip, the reference included.
        rollout: frames predicted between the reference and the supervised ones without
            gradients: the memory has been through the network's own errors when it is judged,
            at a third of the price (ours; the paper has none).
        rate, min_rate: learning rate after warm-up and at the end.
        encoder_rate: ratio for the encoder; the paper's 0.1 is for an encoder trained before.
        frozen_stages: encoder stages that stay as they are, 0 (none) to 4 (all); 1, up to the
            stride-4 map, is the paper's, for an encoder trained before.
        live_batch_norm: train the encoder's batch norm with batch statistics, which an encoder
            with random weights needs; the paper keeps the norms of a trained encoder constant.
        decay: weight decay.
        warm_up: fraction of the steps.
        self_fed_from: fraction of the steps after which memory gets predicted masks.
        relative_from: fraction of the steps before which the relative term of the short-term
            attention is held at zero (ours): else a network learns to leave masks where they are
            long before it learns to compare pictures.
        distinct_identities: begin with identities that are told apart (``identities``), keep their
            codes, and judge every frame over all ten (ours); else as published, which takes
            tens of thousands of steps until objects stop swapping names.
        hard_pixels: smallest fraction of pixels in the cross-entropy, reached half-way.
        auxiliary_until: fraction of the steps over which the reference's own loss fades out.
        clip_norm: largest gradient norm.
        drop_path, channel_dropout: probabilities of leaving out a self-propagation, and a channel
            behind a depth-wise convolution.
        memory_gap: frames between writes to the long-term memory, for variants (L) that write.
        precision: "fp32", or "amp": mixed, half precision on a GPU and bfloat16 on a CPU.
        merge: how often the objects of a second sample are pasted over a static or video clip.
        davis_repeat: how often a DAVIS video comes for each one of YouTube-VOS or of users.
        davis_gap, youtube_vos_gap, clip_gap: largest random step between frames of DAVIS,
            YouTube-VOS and folders of clips.
        most_objects: largest number of labelled objects in a scene.
        photo_share, cut_out_share, look_alike, same_photo, speed, thin_plate, leave, cover: of
            the scenes, see ``SceneSettings``.
        photographs, cut_outs: folders of pictures for the scenes, several joined by ``:``; empty:
            the photographs inside scikit-image and drawn outlines only.
        calibration: batches that the batch-norm statistics of exported weights are measured on.
        calibration_size: side of their frames, px.
        seed: of everything random.
    """

    stage: str = "synthetic"
    data: tuple[str, ...] = ()
    variant: str = "deaot-t"
    steps: int = 2000
    size: int = 129
    alternate_size: int = 0
    batch: int = 4
    frames: int = 3
    rollout: int = 0
    rate: float = 4e-4
    min_rate: float = 2e-5
    encoder_rate: float = 1.0
    frozen_stages: int = 0
    live_batch_norm: bool = True
    decay: float = 0.03
    warm_up: float = 0.05
    self_fed_from: float = 0.5
    relative_from: float = 0.0
    distinct_identities: bool = False
    hard_pixels: float = 0.15
    auxiliary_until: float = 0.1
    clip_norm: float = 5.0
    drop_path: float = 0.0
    channel_dropout: float = 0.0
    memory_gap: int = 2
    precision: str = "fp32"
    merge: float = 0.0
    davis_repeat: int = 5
    davis_gap: int = 12
    youtube_vos_gap: int = 3
    clip_gap: int = 3
    most_objects: int = 3
    photo_share: float = 0.75
    cut_out_share: float = 0.5
    look_alike: float = 0.2
    same_photo: float = 0.35
    speed: float = 0.04
    thin_plate: float = 0.0
    leave: float = 0.0
    cover: float = 0.0
    photographs: str = ""
    cut_outs: str = ""
    calibration: int = 16
    calibration_size: int = 257
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that no network can be trained with (ValueError; VariantError)."""
        rest = int(get_variant(self.variant).align_corners)
        for size in (self.size, self.alternate_size or self.size):
            if size % 16 != rest or size < 64:
                raise ValueError(
                    f"size {size}: {self.variant} expects 16 k{' + 1' if rest else ''}, at least "
                    f"{64 + rest} (for example {128 + rest})"
                )
        if not 0 <= self.frozen_stages <= 4:
            raise ValueError(f"frozen_stages {self.frozen_stages}: expected 0 to 4")
        if self.frames < 2 or self.rollout < 0 or self.batch < 1 or self.steps < 1:
            raise ValueError(
                f"frames {self.frames}, rollout {self.rollout}, batch {self.batch}, "
                f"steps {self.steps}: expected at least 2, 0, 1 and 1"
            )
        for name, known in (("stage", STAGES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} {getattr(self, name)!r}: expected {', '.join(known)}"
                )
        for name in ("drop_path", "channel_dropout", "merge", "thin_plate", "leave", "cover"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: expected 0 to 1")
        for name in ("memory_gap", "davis_repeat", "davis_gap", "youtube_vos_gap", "clip_gap"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: expected at least 1")

    def as_metadata(self) -> dict[str, str]:
        """All settings as text, for a weights file."""
        return {key: str(value) for key, value in asdict(self).items()}
