"""Reading images: each format gives the pixels that were written, and what cannot be read is named with its cure."""

from __future__ import annotations

import gzip
import io
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steepest.data.images import read_images
from steepest.data.images.pixels import parse_size
from steepest.errors import DataError, OptionError, SteepestError
from tests.images.made import drawn, encoded, idx, idx_folder, png_header, tree, write_tree, zipped


def test_folder_of_classes(tmp_path: Path) -> None:
    found = read_images(write_tree(tmp_path / "photos", tree(12, size=(6, 9), channels=3)))
    assert found.pixels.shape == (12, 3, 6, 9)
    assert found.labels.to_list() == ["lying"] * 6 + ["upright"] * 6
    assert found.names.to_list()[:2] == ["lying/00.png", "lying/02.png"]
    np.testing.assert_array_equal(found.pixels[6].transpose(1, 2, 0), drawn(1, (6, 9), 3))
    assert found.parts is None
    assert found.notes == ()


@pytest.mark.parametrize("validation", ["valid", "validation", "val", "Val"])
def test_parts_by_folder(tmp_path: Path, validation: str) -> None:
    files = {**tree(6, "train/"), **tree(2, f"{validation}/"), **tree(4, "test/")}
    found = read_images(write_tree(tmp_path / "photos", files))
    assert found.parts.value_counts().sort("part").rows() == [("test", 4), ("train", 6), ("validation", 2)]
    assert found.labels.unique().sort().to_list() == ["lying", "upright"]


def test_one_folder_around_all_of_them_and_hidden_files(tmp_path: Path) -> None:
    files = {
        **tree(6, "photos/"),
        "photos/.DS_Store": b"x",
        "__MACOSX/photos/._00.png": b"x",
        "photos/lying/.a.png": b"",
    }
    for found in (
        read_images(write_tree(tmp_path / "a", files)),
        read_images(zipped(tmp_path / "b.zip", files)),
    ):
        assert len(found) == 6
        assert found.notes == ()
        assert set(found.labels) == {"lying", "upright"}


def test_other_files_and_images_beside_the_classes_are_left_out_and_said(tmp_path: Path) -> None:
    files = {**tree(6), "notes.txt": b"", "labels.csv": b"", "cover.png": encoded(drawn(0))}
    found = read_images(write_tree(tmp_path / "photos", files))
    assert len(found) == 6
    assert [each.text for each in found.notes] == [
        f"2 files of {tmp_path / 'photos'} are no image and left out: .csv 1, .txt 1.",
        "1 image beside the folders of classes left out: cover.png.",
    ]


def test_zip_of_folders_equals_the_folder(tmp_path: Path) -> None:
    one, two = (
        read_images(write_tree(tmp_path / "a", tree())),
        read_images(zipped(tmp_path / "a.zip", tree())),
    )
    np.testing.assert_array_equal(one.pixels, two.pixels)
    assert one.names.equals(two.names)


@pytest.mark.parametrize("packed", [True, False])
def test_idx_folder(tmp_path: Path, packed: bool) -> None:
    found = read_images(idx_folder(tmp_path / "idx", packed=packed))
    assert found.pixels.shape == (60, 1, 8, 8)
    np.testing.assert_array_equal(found.pixels[41, 0], drawn(1001))
    assert found.labels[41] == 1
    assert found.parts.to_list() == ["train"] * 40 + ["test"] * 20


def test_one_idx_file_with_the_labels_beside_it(tmp_path: Path) -> None:
    folder = idx_folder(tmp_path / "idx")
    found = read_images(folder / "t10k-images-idx3-ubyte.gz")
    assert len(found) == 20
    assert found.parts is None
    assert found.labels.to_list() == [0, 1] * 10
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert read_images(folder / "t10k-images-idx3-ubyte.gz").labels is None


IMAGES = np.stack([drawn(i, (6, 9), 3) for i in range(10)])


@pytest.mark.parametrize(
    ("array", "channels"),
    [
        (IMAGES, 3),
        (IMAGES.transpose(0, 3, 1, 2), 3),
        (IMAGES[..., 0], 1),
        (IMAGES[..., :1], 1),
        (IMAGES.astype(np.float32) / 255, 3),
        (IMAGES.astype(np.int64), 3),
        (np.asfortranarray(IMAGES), 3),
    ],
    ids=["N H W C", "N C H W", "N H W", "N H W 1", "0 to 1", "int64", "fortran"],
)
def test_npz_layouts(tmp_path: Path, array: np.ndarray, channels: int) -> None:
    np.savez_compressed(tmp_path / "a.npz", images=array, labels=np.array(["a", "b"] * 5))
    found = read_images(tmp_path / "a.npz")
    np.testing.assert_array_equal(found.pixels, IMAGES.transpose(0, 3, 1, 2)[:, :channels])
    assert found.labels.to_list() == ["a", "b"] * 5


def test_npz_parts(tmp_path: Path) -> None:
    y = np.arange(10)[:, None] % 3
    np.savez(tmp_path / "a.npz", x_train=IMAGES[:6], y_train=y[:6], x_test=IMAGES[6:], y_test=y[6:])
    np.savez(
        tmp_path / "b.npz",
        train_images=IMAGES[:6],
        train_labels=y[:6],
        test_images=IMAGES[6:],
        test_labels=y[6:],
    )
    for found in (read_images(tmp_path / "a.npz"), read_images(tmp_path / "b.npz")):
        assert found.parts.to_list() == ["train"] * 6 + ["test"] * 4
        assert found.labels.to_list() == y[:, 0].tolist()


def test_kinds_of_image_files(tmp_path: Path) -> None:
    """Grey, 16 bits, palettes, transparency and rotation come out as a viewer shows them."""
    grey = drawn(1)
    deep = Image.fromarray((grey.astype(np.uint16) << 8) | 7)
    buffer = io.BytesIO()
    deep.save(buffer, "PNG")
    assert read_images(_file(tmp_path, "deep.png", buffer.getvalue())).pixels[0, 0].tolist() == grey.tolist()
    palette = io.BytesIO()
    Image.fromarray(drawn(1, channels=3)).quantize(200).save(palette, "GIF")
    assert read_images(_file(tmp_path, "palette.gif", palette.getvalue())).pixels.shape == (1, 3, 8, 8)
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[0, 0] = [10, 20, 30, 255]
    found = read_images(_file(tmp_path, "clear.png", encoded(clear)))
    assert found.pixels[0, :, 0, 0].tolist() == [10, 20, 30]
    assert found.pixels[0, :, 5, 5].tolist() == [255] * 3
    assert [each.text for each in found.notes] == ["1 image has transparent pixels, shown on white."]
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    found = read_images(
        _file(tmp_path, "turned.jpg", encoded(drawn(0, (8, 12), 3), "JPEG", exif=turned, quality=95))
    )
    assert found.pixels.shape == (1, 3, 12, 8)


def _file(where: Path, name: str, content: bytes) -> Path:
    (where / name).write_bytes(content)
    return where / name


def test_grey_and_colour_together_become_colour(tmp_path: Path) -> None:
    files = {**tree(4), "lying/colour.png": encoded(drawn(8, channels=3))}
    found = read_images(write_tree(tmp_path / "photos", files))
    assert found.pixels.shape == (5, 3, 8, 8)
    assert found.notes[0].text == "4 images are grey and 1 in colour: all have 3 channels."


def test_size_makes_all_images_one_size(tmp_path: Path) -> None:
    files = {**tree(4), "lying/wide.png": encoded(drawn(8, (16, 24)))}
    where = write_tree(tmp_path / "photos", files)
    assert read_images(where, (5, 7)).pixels.shape == (5, 1, 5, 7)
    flat = np.full((3, 9, 9), 200, np.uint8)
    assert (read_images(flat, (4, 4)).pixels == 200).all()
    assert parse_size("48x32") == (32, 48)


NOT_IMAGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {}
Case = Callable[[Path], object]


def case(*said: str) -> Callable[[Case], Case]:
    def add(make: Case) -> Case:
        NOT_IMAGES[make.__name__] = (make, list(said))
        return make

    return add


@case("several sizes: lying/00.png has 8 × 8 pixels, lying/02.png has 9 × 6", "--size 6")
def sizes(where: Path) -> object:
    return write_tree(where, {**tree(2), "lying/02.png": encoded(drawn(1, (6, 9)))})


@case("lying/00.png has 2,500,000,000 pixels", "make it smaller")
def bomb(where: Path) -> object:
    return write_tree(where, {**tree(4), "lying/00.png": png_header(50_000, 50_000)})


@case("lying/00.png has 9,000 × 8,000 pixels", "make it smaller")
def large(where: Path) -> object:
    return write_tree(where, {**tree(4), "lying/00.png": png_header(9_000, 8_000)})


@case("lying/00.png is no image that can be read (5 bytes)", "leave it out")
def text_as_image(where: Path) -> object:
    return write_tree(where, {**tree(4), "lying/00.png": b"hello"})


@case("lying/00.png is no image that can be read (0 bytes)")
def empty_file(where: Path) -> object:
    return write_tree(where, {**tree(4), "lying/00.png": b""})


@case("upright/01.png is damaged", "save it again")
def cut_off(where: Path) -> object:
    return write_tree(where, {**tree(4), "upright/01.png": encoded(drawn(1, (40, 40)))[:300]})


@case("lying/a.gif has 3 images in one file", "save each as a file of its own")
def animated(where: Path) -> object:
    frames = [Image.fromarray(drawn(i)) for i in range(3)]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    return write_tree(where, {**tree(4), "lying/a.gif": content.getvalue()})


@case("upright/b.tif has 2 images in one file")
def pages(where: Path) -> object:
    content = io.BytesIO()
    Image.fromarray(drawn(0)).save(content, "TIFF", save_all=True, append_images=[Image.fromarray(drawn(1))])
    return write_tree(where, {**tree(4), "upright/b.tif": content.getvalue()})


@case("the folder 'sleeping' of photos is empty", "put the images of this class into it, or remove it")
def empty_class(where: Path) -> object:
    (write_tree(where, tree(4)) / "sleeping").mkdir()
    return where


@case("cannot read lying/self.png: too many levels of symbolic links", "leave it out")
def symlink_to_itself(where: Path) -> object:
    (write_tree(where, tree(4)) / "lying" / "self.png").symlink_to("self.png")
    return where


@case("cannot read photos.npz", "write it again with images")
def pickle_as_npz(where: Path) -> object:
    where.with_suffix(".npz").write_bytes(pickle.dumps({"images": IMAGES}))
    return where.with_suffix(".npz")


@case("cannot read photos.npz: the magic string is not correct")
def npz_of_pickles(where: Path) -> object:
    return zipped(
        where.with_suffix(".npz"), {f"{name}.npy": pickle.dumps([1]) for name in ("images", "labels")}
    )


@case("holds no image (nothing)", "a folder of images for each class")
def nothing(where: Path) -> object:
    where.mkdir()
    return where


@case(
    "holds no image (data.csv", "for a table, name its file, such as", "photos/data.csv", "images end in .png"
)
def no_image(where: Path) -> object:
    (where / "empty").mkdir(parents=True)
    return write_tree(where, {"data.csv": b"a,b", "a/more.md": b""})


@case("photos.csv is a table, not images", "`steepest describe` shows its columns")
def a_table(where: Path) -> object:
    where.with_suffix(".csv").write_text("a,b")
    return where.with_suffix(".csv")


@case("there is no file or folder", "check the path")
def absent(where: Path) -> object:
    return where / "nowhere"


@case("'../../escaped.png', whose path leads out of the folder", "attack")
def climbs(where: Path) -> object:
    return zipped(where.with_suffix(".zip"), {**tree(2), "../../escaped.png": encoded(drawn(0))})


@case("'/etc/escaped.png', whose path leads out")
def absolute(where: Path) -> object:
    return zipped(where.with_suffix(".zip"), {**tree(2), "/etc/escaped.png": encoded(drawn(0))})


@case("whose path leads out of the folder")
def climbs_backwards(where: Path) -> object:
    return zipped(where.with_suffix(".zip"), {"a\\..\\..\\b.png": encoded(drawn(0))})


def declaring(path: Path, entries: int) -> Path:
    """Make the first entries of an archive's directory declare 4 GB."""
    data = bytearray(path.read_bytes())
    at = 0
    for _ in range(entries):
        at = data.find(b"PK\x01\x02", at)
        data[at + 24 : at + 28] = b"\xf0\xff\xff\xff"
        at += 4
    path.write_bytes(bytes(data))
    return path


@case("declares more than 16 GiB of files", "unpack it")
def bomb_of_many(where: Path) -> object:
    return declaring(zipped(where.with_suffix(".zip"), {f"a/{i}.png": b"x" for i in range(5)}), 5)


@case("a/0.png has 4,294,967,280 bytes", "at most 256 MiB")
def bomb_of_one(where: Path) -> object:
    return declaring(zipped(where.with_suffix(".zip"), {f"a/{i}.png": b"x" for i in range(5)}), 1)


@case("cannot unpack photos.zip", "damaged, cut off or encrypted")
def broken_zip(where: Path) -> object:
    path = zipped(where.with_suffix(".zip"), tree())
    path.write_bytes(path.read_bytes()[:400])
    return path


@case(
    "train-images-idx3-ubyte with train-labels-idx1-ubyte: 10 images, but 9 labels",
    "one label for each image",
)
def labels_do_not_match(where: Path) -> object:
    return write_tree(
        where,
        {"train-images-idx3-ubyte": idx(IMAGES[..., 0]), "train-labels-idx1-ubyte": idx(np.zeros(9))},
    )


@case("declares 10 × 6 × 9 values and has 539 of 540 bytes", "damaged, cut off")
def idx_cut_off(where: Path) -> object:
    return write_tree(where, {"train-images-idx3-ubyte": idx(IMAGES[..., 0])[:-1]})


@case("declares 10 × 6 × 9 values and has more than 540 bytes")
def idx_too_long(where: Path) -> object:
    return write_tree(where, {"train-images-idx3-ubyte": idx(IMAGES[..., 0]) + b"x"})


@case("begins with b'hell', which is no idx header")
def no_idx(where: Path) -> object:
    return write_tree(where, {"train-images-idx3-ubyte": b"hello"})


@case("4,294,967,295 × 4,294,967,295", "at most 4 GiB")
def idx_bomb(where: Path) -> object:
    content = b"\0\0\x08\x03" + b"\xff" * 12
    return write_tree(where, {"train-images-idx3-ubyte.gz": gzip.compress(content)})


@case("cannot read train-images-idx3-ubyte.gz", "damaged")
def idx_broken_gzip(where: Path) -> object:
    content = bytearray(gzip.compress(idx(IMAGES[..., 0])))
    content[40:60] = b"\0" * 20
    return write_tree(where, {"train-images-idx3-ubyte.gz": bytes(content)})


@case("has train-labels-idx1-ubyte without its images")
def idx_labels_alone(where: Path) -> object:
    return write_tree(where, {"train-labels-idx1-ubyte": idx(np.zeros(9))})


@case("the test images have no labels", "add them")
def idx_test_labels_lacking(where: Path) -> object:
    idx_folder(where)
    (where / "t10k-labels-idx1-ubyte.gz").unlink()
    return where


@case("files of 2 data sets: 'a-', 'b-'")
def idx_two_sets(where: Path) -> object:
    return write_tree(where, {f"{each}-train-images-idx3-ubyte": idx(IMAGES[..., 0]) for each in "ab"})


def npz(where: Path, **arrays: object) -> Path:
    np.savez(where.with_suffix(".npz"), **arrays)  # pyright: ignore
    return where.with_suffix(".npz")


@case("has no array of images (its arrays: foo)", "name them images and labels")
def npz_without_images(where: Path) -> object:
    return npz(where, foo=IMAGES)


@case("the shape [10, 6]", "[N, H, W]")
def npz_of_vectors(where: Path) -> object:
    return npz(where, images=IMAGES[:, :, 0, 0])


@case("the shape [10, 6, 9, 2]: neither 1 nor 3 channels")
def npz_of_two_channels(where: Path) -> object:
    return npz(where, images=IMAGES[..., :2])


@case("the pixels of images in photos.npz are from -3 to 2", "before any normalisation")
def npz_normalised(where: Path) -> object:
    return npz(where, images=np.linspace(-3, 2, 10 * 6 * 9).reshape(10, 6, 9))


@case("are from nan to nan")
def npz_of_nan(where: Path) -> object:
    return npz(where, images=np.full((10, 6, 9), np.nan))


@case("and not whole, such as 1.5")
def npz_not_whole(where: Path) -> object:
    return npz(where, images=np.full((10, 6, 9), 1.5))


@case(": 10 images, but 7 labels")
def npz_labels_do_not_match(where: Path) -> object:
    return npz(where, images=IMAGES, labels=np.zeros(7, int))


@case("2 labels of images and labels in photos.npz are nan", "leave those images out")
def npz_labels_nan(where: Path) -> object:
    return npz(where, images=IMAGES, labels=np.array([1.0, np.nan] + [0.0] * 7 + [np.nan]))


@case("labels of images and labels in photos.npz have the shape [10, 4]", "argmax")
def npz_one_hot(where: Path) -> object:
    return npz(where, images=IMAGES, labels=np.eye(10)[:, :4])


@case("holds Python objects")
def npz_of_objects(where: Path) -> object:
    return npz(where, images=IMAGES, labels=np.array([None] * 10, dtype=object))


@case("holds no image: the shape [0, 6, 9]")
def npz_empty(where: Path) -> object:
    return npz(where, images=IMAGES[:0, ..., 0])


@case("declares the shape [1000000, 10000, 1000]", "at most 4 GiB")
def npz_bomb(where: Path) -> object:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": (1_000_000, 10_000, 1_000)}
    )
    with zipfile.ZipFile(where.with_suffix(".npz"), "w") as archive:
        archive.writestr("images.npy", head.getvalue())
    return where.with_suffix(".npz")


@case("cannot read photos.npz", "numpy.savez")
def npz_of_text(where: Path) -> object:
    where.with_suffix(".npz").write_bytes(b"hello")
    return where.with_suffix(".npz")


@case("train images are 9 × 6 pixels, colour, test images 5 × 4 pixels, colour", "--size")
def parts_of_other_sizes(where: Path) -> object:
    return npz(where, x_train=IMAGES, x_test=IMAGES[:, :4, :5])


@pytest.mark.parametrize("name", list(NOT_IMAGES))
def test_what_cannot_be_read_is_named_with_its_cure(tmp_path: Path, name: str) -> None:
    make, said = NOT_IMAGES[name]
    before = sorted(tmp_path.parent.parent.glob("*"))
    with pytest.raises(DataError) as caught:
        read_images(make(tmp_path / "photos"))
    for each in said:
        assert each in caught.value.fact + caught.value.hint
    assert sorted(tmp_path.parent.parent.glob("*")) == before  # nothing was unpacked beside it


@pytest.mark.parametrize("text", ["0", "0x3", "-2", "large", "3x", "5000", "3.5"])
def test_no_size(text: str) -> None:
    with pytest.raises(OptionError, match="size"):
        parse_size(text)


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tree(tmp_path / "a", tree())
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(SteepestError, match=r"needs Pillow[^H]*Hint: pip install '\.\[images\]'"):
        read_images(folder)
    assert len(read_images(idx_folder(tmp_path / "b"))) == 60  # idx files need nothing


def test_folders_that_lead_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    photos = write_tree(tmp_path / "photos", tree(4))
    (photos / "lying" / "up").symlink_to("..", target_is_directory=True)
    assert len(read_images(photos)) == 4
