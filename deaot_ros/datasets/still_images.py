"""Still images with object masks, in the layouts of the sets that the paper trains on first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deaot_ros.errors import DatasetError

from .files import check_size, list_files, list_folders, load_image, load_labels

VOID = 255  # the outline around VOC's objects: nobody's


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a set keeps its files.

    Attributes:
        images, masks: folders; files that belong together share a stem and a sub-folder.
        grey: masks are foreground in grey (saliency): bright pixels are object 1.
    """

    images: str
    masks: str
    grey: bool


LAYOUTS = (
    Layout("JPEGImages", "SegmentationObject", False),  # PASCAL VOC 2012
    Layout("JPEGImages", "Annotations", False),  # any set made into label maps
    Layout("images", "ground_truth_mask", True),  # ECSSD
    Layout("imgs", "masks", True),  # PASCAL-S
    Layout("Imgs", "Imgs", True),  # MSRA10K: images .jpg, masks .png
    Layout("images", "masks", False),  # users' own
)


@dataclass(frozen=True, slots=True)
class StillImage:
    """An image with its mask. Files are read when asked for.

    Attributes:
        name: unique within its data set.
        image_file, mask_file: where they are.
        grey: bright pixels of the mask are object 1.
    """

    name: str
    image_file: Path
    mask_file: Path
    grey: bool = False

    def image(self) -> np.ndarray:
        """uint8 RGB [H, W, 3].

        Raises:
            DatasetError: the file is missing or damaged.
        """
        return load_image(self.image_file)

    def mask(self) -> np.ndarray:
        """Object ids uint8 [H, W]; void outlines are background.

        Raises:
            DatasetError: the file is missing, damaged or of another size than the image.
        """
        if self.grey:
            labels = (load_image(self.mask_file).max(2) >= 128).astype(np.uint8)
        else:
            labels = load_labels(self.mask_file)
            labels[labels == VOID] = 0
        check_size(self.mask_file, labels.shape, self.image_file)
        return labels


def still_images(root: str | Path) -> tuple[StillImage, ...]:
    """The images of a set that have masks, sorted by name.

    Args:
        root: of one of the ``LAYOUTS``. Images without a mask are left out (VOC has many).

    Raises:
        DatasetError: no layout fits, a mask lacks its image, or there is no mask at all.
    """
    root = Path(root).expanduser()
    layout = find_layout(root)
    if layout is None:
        expected = ", ".join(f"{k.images} + {k.masks}" for k in LAYOUTS)
        raise DatasetError(f"{root} is no set of still images; expected folders {expected}")
    found, lonely = image_pairs(root, layout)
    if lonely:
        raise DatasetError(
            f"mask {lonely[0]} has no image; expected {lonely[0].stem}.jpg below "
            f"{root / layout.images}"
        )
    if not found:
        raise DatasetError(f"no masks in {root / layout.masks}; expected PNG files")
    return tuple(found)


def image_pairs(root: Path, layout: Layout) -> tuple[list[StillImage], list[Path]]:
    """Images with their masks, and masks without an image.

    Raises:
        DatasetError: a folder cannot be listed.
    """
    found: list[StillImage] = []
    lonely: list[Path] = []
    shared = layout.images == layout.masks
    for part in (Path(), *(Path(f.name) for f in list_folders(root / layout.masks))):
        folder = root / layout.images / part
        files = list_files(folder) if folder.is_dir() else ()
        images = {f.stem: f for f in files if not shared or f.suffix.lower() != ".png"}
        for mask in list_files(root / layout.masks / part):
            if mask.suffix.lower() != ".png":
                continue
            if mask.stem in images:
                name = (part / mask.stem).as_posix()
                found.append(StillImage(name, images[mask.stem], mask, layout.grey))
            else:
                lonely.append(mask)
    return found, lonely


def still_image_sets(root: str | Path) -> tuple[StillImage, ...]:
    """The images of a set, or of every set in a folder of sets.

    Raises:
        DatasetError: see ``still_images``.
    """
    root = Path(root).expanduser()
    return tuple(image for folder in set_folders(root) for image in still_images(folder))


def set_folders(root: Path) -> tuple[Path, ...]:
    """The folder itself if a layout fits, else the folders in it that one fits."""
    if find_layout(root) is None:
        found = tuple(f for f in list_folders(root) if find_layout(f) is not None)
        if found:
            return found
    return (root,)


def find_layout(root: Path) -> Layout | None:
    """The first layout whose two folders exist."""
    return next(
        (k for k in LAYOUTS if (root / k.images).is_dir() and (root / k.masks).is_dir()), None
    )
