"""images: the two transforms."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from sagemaker_gluoncv_container import images
from sagemaker_gluoncv_container.decoding.picture import decode
from sagemaker_gluoncv_container.images import AUGMENTATIONS, Preprocessing
from support.drawing import colours, grey, levels

Encode = Callable[..., bytes]
SQUARE = Preprocessing(height=32, width=32, resize=36)


class TestEvaluation:
    """The centre of the picture, as any other framework would cut it."""

    @pytest.mark.parametrize("size", [(300, 200), (200, 300), (256, 256), (1000, 260), (90, 70)])
    @pytest.mark.parametrize("preprocessing", [Preprocessing(224, 224, 256), Preprocessing(64, 96, 100)])
    def test_equals_resize_and_crop(self, size: tuple[int, int], preprocessing: Preprocessing) -> None:
        """It is the shortest side scaled to `resize`, then the middle cut out, done in one step."""
        picture = colours(*size)
        scale = preprocessing.resize / min(size)
        scaled = picture.resize([round(side * scale) for side in size], Image.Resampling.BILINEAR)
        left, top = (scaled.width - preprocessing.width) / 2, (scaled.height - preprocessing.height) / 2
        plain = scaled.crop((int(left), int(top), int(left) + preprocessing.width, int(top) + preprocessing.height))
        found = images.for_evaluation(picture, preprocessing)
        difference = abs(found.astype(int) - levels(plain))
        assert difference.mean() < 1
        assert difference.max() <= 4

    def test_no_change_where_none_is_needed(self) -> None:
        """A picture of the right size comes pixel by pixel."""
        assert (images.for_evaluation(colours(32, 32), Preprocessing(32, 32, 32)) == np.asarray(colours(32, 32))).all()

    def test_height_and_width_keep_their_order(self) -> None:
        """The result is (height, width, channels), uint8."""
        pixels = images.for_evaluation(colours(), Preprocessing(height=48, width=64, resize=70))
        assert (pixels.shape, pixels.dtype) == ((48, 64, 3), np.uint8)

    @pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (100_000, 1)])
    def test_extreme_sizes(self, size: tuple[int, int]) -> None:
        """The oddest shapes are pictures too, and a flat one stays flat."""
        pixels = images.for_evaluation(Image.new("RGB", size, (9, 99, 199)), Preprocessing(224, 224, 256))
        assert pixels.shape == (224, 224, 3)
        assert (pixels == (9, 99, 199)).all()

    @given(
        st.tuples(st.integers(1, 700), st.integers(1, 700)),
        st.integers(32, 300),
        st.integers(32, 300),
        st.integers(0, 40),
    )
    @example((55, 55), 224, 224, 0)
    @example((95, 300), 224, 224, 0)
    @example((300, 97), 224, 224, 0)
    def test_any_size(self, size: tuple[int, int], height: int, width: int, more: int) -> None:
        """Every size of picture fits every preprocessing, also one that leaves no room around the crop."""
        pixels = images.for_evaluation(Image.new("RGB", size), Preprocessing(height, width, max(height, width) + more))
        assert pixels.shape == (height, width, 3)

    @pytest.mark.parametrize(("width", "height"), [(1600, 1200), (1203, 1807), (900, 600)])
    @pytest.mark.parametrize("resize", [36, 100, None])
    def test_a_reduced_jpeg(self, encode: Encode, width: int, height: int, resize: int | None) -> None:
        """A large JPEG that is decoded smaller gives the same view: 1 of 255 apart on average, 10 at most."""
        noise = np.random.default_rng(0).integers(-30, 30, (height // 4, width // 4, 3))
        rough = Image.fromarray((levels(colours(width // 4, height // 4)) + noise).clip(0, 255).astype(np.uint8))
        data = encode(rough.resize((width, height), Image.Resampling.BICUBIC), "JPEG", quality=92)
        preprocessing = Preprocessing(32, 32, resize)
        reduced = decode(data, preprocessing.decoded_side)
        assert min(reduced.size) < min(width, height)
        whole = images.for_evaluation(decode(data), preprocessing).astype(int)
        difference = np.abs(images.for_evaluation(reduced, preprocessing) - whole)
        assert difference.mean() < 1
        assert difference.max() <= 10

    def test_a_small_jpeg_is_not_reduced(self, encode: Encode) -> None:
        """One that is less than four times as large as what is needed is decoded as it is."""
        data = encode(colours(200, 143), "JPEG")
        assert decode(data, SQUARE.decoded_side).size == (200, 143)


def views(image: Image.Image, preprocessing: Preprocessing, augmentation: str | None, count: int) -> np.ndarray:
    """Return training views for the seeds from 0."""
    seeds = map(np.random.default_rng, range(count))
    return np.stack([images.for_training(image, preprocessing, augmentation, seed) for seed in seeds]).astype(int)


class TestTraining:
    """What each kind of augmentation does, and how far it goes."""

    @pytest.mark.parametrize("augmentation", [None, *AUGMENTATIONS])
    def test_shape(self, augmentation: str | None) -> None:
        """Every view is (height, width, channels), uint8, like evaluation's."""
        view = images.for_training(colours(), Preprocessing(48, 64, 70), augmentation, np.random.default_rng(0))
        assert (view.shape, view.dtype) == ((48, 64, 3), np.uint8)

    @pytest.mark.parametrize("augmentation", AUGMENTATIONS)
    def test_seed_decides(self, augmentation: str) -> None:
        """The same seed gives the same view, another one another."""
        first, second = (views(colours(), SQUARE, augmentation, 20) for _ in range(2))
        assert (first == second).all()
        assert len(np.unique(first, axis=0)) == 20

    def test_none_is_the_evaluation_view(self) -> None:
        """Without augmentation, training sees what evaluation sees."""
        view = images.for_training(colours(), SQUARE, None, np.random.default_rng(0))
        assert (view == images.for_evaluation(colours(), SQUARE)).all()

    @pytest.mark.parametrize("augmentation", AUGMENTATIONS)
    @pytest.mark.parametrize("size", [(1, 1), (1, 5000), (55, 95), (700, 3)])
    def test_extreme_sizes(self, augmentation: str, size: tuple[int, int]) -> None:
        """Augmentation takes the pictures that evaluation takes, also without room around the crop."""
        assert views(Image.new("RGB", size), Preprocessing(224, 224, 224), augmentation, 5).shape == (5, 224, 224, 3)

    def test_crop_and_mirror(self) -> None:
        """A crop lies anywhere in the picture, and every other one is mirrored."""
        # One level a pixel: a pixel's colour is its place, and its slope the direction.
        y, x = np.mgrid[0:100, 0:200]
        picture = Image.fromarray(np.stack([x, y, 0 * x], 2).astype(np.uint8))
        found = views(picture, Preprocessing(40, 60, 100), "crop", 200)
        across = np.diff(found[..., 0], axis=2).sum(2) / 59
        assert set(np.unique(abs(across).round())) == {1}
        mirrored = (across < 0).all(1)
        assert ((across > 0).all(1) | mirrored).all()
        assert 70 <= mirrored.sum() <= 130
        assert (abs(np.diff(found[..., 1], axis=1).sum(1) / 39 - 1) < 0.05).all()
        left, top = found[..., 0].min((1, 2)), found[..., 1].min((1, 2))
        assert left.min() <= 10
        assert left.max() >= 130
        assert top.min() <= 5
        assert top.max() >= 55

    def test_colours_shift_within_their_bounds(self) -> None:
        """Hue moves by up to 36 degrees, saturation and lightness by up to 50 levels, one amount for a picture."""
        picture = Image.new("HSV", (40, 40), (100, 128, 128)).convert("RGB")
        start = np.asarray(picture.convert("HSV")).astype(int)[0, 0]
        found = views(picture, SQUARE, "crop_color", 300)
        assert (found == found[:, :1, :1]).all()
        flat = Image.fromarray(found[:, 0, :1].astype(np.uint8)).convert("HSV")
        shifts = np.asarray(flat).astype(int)[:, 0] - start
        # A level for the way through RGB and back, which is coarser where colours are pale.
        for shift, bound in zip(shifts.T, (36 / 360 * 256, 50, 50), strict=True):
            assert abs(shift).max() <= bound + 4
            assert shift.min() < -0.8 * bound
            assert shift.max() > 0.8 * bound
        # Each by an amount of its own.
        assert abs(np.corrcoef(shifts.T) - np.eye(3)).max() < 0.3

    def test_hue_is_a_circle(self) -> None:
        """Red turns to orange and to pink, never to green or blue."""
        found = views(Image.new("RGB", (40, 40), (255, 0, 0)), SQUARE, "crop_color", 200)[:, 0, 0]
        assert (found[:, 0] >= found[:, 1:].max(1)).all()
        assert (found[:, 1] > found[:, 2]).any()
        assert (found[:, 2] > found[:, 1]).any()

    def test_colour_leaves_the_geometry(self) -> None:
        """The same seed cuts and mirrors alike, with colour and without."""
        picture = grey(80, 60)
        plain, coloured = (views(picture.convert("RGB"), SQUARE, kind, 30) for kind in ("crop", "crop_color"))
        difference = coloured - plain
        # A shift that is not clipped is the same at every pixel.
        inside = (coloured > 0).all((1, 2, 3)) & (coloured < 255).all((1, 2, 3))
        assert inside.any()
        assert all(np.ptp(each.max(-1)) <= 1 for each in difference[inside])

    def test_transform_turns_and_shears_a_little(self) -> None:
        """An upright line leans either way by at most 10 degrees and the shear, about the middle."""
        pixels = np.full((101, 101, 3), 255, np.uint8)
        pixels[:, 47:54] = 0
        found = views(Image.fromarray(pixels), Preprocessing(101, 101, 101), "crop_color_transform", 200).max(-1)
        # Black stays under 64 levels whatever its lightness, and the grey from outside stays over it.
        top, middle, bottom = (
            np.array([np.nonzero(view[row] < 64)[0].mean() for view in found]) for row in (20, 50, 80)
        )
        lean = (bottom - top) / 60
        assert abs(middle - 50).max() <= 1
        # tan(10 degrees) + 0.1, times the stretch, and rounding.
        assert abs(lean).max() <= (np.tan(np.deg2rad(10)) + 0.1) * 1.25 + 1 / 60
        assert lean.max() > 0.15
        assert lean.min() < -0.15

    def test_transform_shears(self) -> None:
        """A cross loses its right angle by more than stretching could do, and by less than 0.1 and that together."""
        pixels = np.full((101, 101, 3), 255, np.uint8)
        pixels[:, 47:54] = pixels[47:54] = 0
        found = views(Image.fromarray(pixels), Preprocessing(101, 101, 101), "crop_color_transform", 200).max(-1) < 64

        def slope(lines: np.ndarray) -> float:
            """Return how far a line that should go along the first axis leans, between its 20th and 80th place."""
            first, last = (np.nonzero(lines[place])[0].mean() for place in (20, 80))
            return float(last - first) / 60

        skew = [np.rad2deg(np.arctan(slope(view)) + np.arctan(slope(view.T))) for view in found]
        assert 6 < max(map(abs, skew)) < 12

    def test_transform_shows_grey_from_outside(self) -> None:
        """Where a turned picture ends there is grey, neither black nor a colour."""
        white = Image.new("RGB", (101, 101), (255, 255, 255))
        whole, turned = (
            views(white, Preprocessing(101, 101, 101), kind, 100)[:, [0, 0, -1, -1], [0, -1, 0, -1]]
            for kind in ("crop_color", "crop_color_transform")
        )
        assert whole.max(-1).min() >= 255 - 50
        outside = turned.max(-1).min(1)
        assert (outside < 200).mean() > 0.5
        assert outside.min() >= 127 - 50 - 1

    def test_transform_changes_the_aspect_within_bounds(self) -> None:
        """A disc becomes an ellipse whose axes differ by a quarter at most, and the shear."""
        y, x = np.mgrid[-50:51, -50:51]
        pixels = np.where((x**2 + y**2 < 30**2)[..., None], 255, 0).astype(np.uint8).repeat(3, 2)
        found = views(Image.fromarray(pixels), Preprocessing(101, 101, 101), "crop_color_transform", 200)
        ratios = []
        for view in found:
            disc = view.max(-1) > 190
            disc[:20] = disc[-20:] = False
            rows, columns = np.nonzero(disc)
            if len(rows):
                ratios.append(np.std(columns) / np.std(rows))
        assert len(ratios) > 100
        assert max(ratios) <= 1.25 * 1.15
        assert min(ratios) >= 0.75 / 1.15
        assert max(ratios) > 1.1
        assert min(ratios) < 0.9
