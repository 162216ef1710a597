"""The frames of a stored object, one at a time, as they are stored or decoded.

The file is never read whole for a frame: uncompressed frames are cut out of it, encapsulated
ones are followed by their items.
"""

import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
)

from dicom_node.dicomweb.media import is_native
from dicom_node.dicomweb.refusal import not_found
from dicom_node.files import PARSE_ERRORS, read_dataset
from dicom_node.pixels import stored_frames
from domain.errors import UnreadableFileError

PIXEL_TAGS: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_LONG_VRS: Final = frozenset({"OB", "OW", "OF", "OD", "UN", "OL", "OV"})
_PIECE: Final = 1 << 20
_BITS_OF_A_BYTE: Final = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Pixels:
    """A header and where the pixel data behind it stand.

    Attributes
    ----------
    length
        Of the value in bytes; None where it is encapsulated.
    """

    name: str
    path: Path
    header: FileDataset
    stream: BinaryIO
    tag: int
    vr: str
    offset: int
    length: int | None

    @property
    def syntax(self) -> str:
        """The transfer syntax that is stored."""
        return str(self.header.file_meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian)

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return int(self.header.get("NumberOfFrames") or 1)

    @property
    def _deflated(self) -> bool:
        return self.syntax == DeflatedExplicitVRLittleEndian

    def checked(self, numbers: Sequence[int]) -> tuple[int, ...]:
        """Return the indices of frames given by number, from 1.

        Raises
        ------
        RequestRefusedError
            If there is no such frame.
        """
        for number in numbers:
            if not 1 <= number <= self.frames:
                raise not_found(f"{self.name} has no frame {number}: it has {self.frames}")
        return tuple(number - 1 for number in numbers)

    def stored(self, indices: Sequence[int]) -> Iterator[bytes]:
        """Yield frames as they are stored; uncompressed ones in little endian.

        Raises
        ------
        UnreadableFileError
            If the pixel data are cut short.
        """
        if self.length is not None:
            yield from (self._native(index) for index in indices)
            return
        try:
            if list(indices) == list(range(len(indices))):
                self.stream.seek(self.offset)
                frames = generate_frames(
                    self.stream, number_of_frames=self.frames, extended_offsets=self._offsets()
                )
                for _, frame in zip(indices, frames, strict=False):
                    yield frame
                return
            for index in indices:
                self.stream.seek(self.offset)
                yield get_frame(
                    self.stream,
                    index,
                    number_of_frames=self.frames,
                    extended_offsets=self._offsets(),
                )
        except PARSE_ERRORS as error:
            raise UnreadableFileError(
                f"{self.name}: its encapsulated frames cannot be told apart ({error})"
            ) from error

    def decoded(self, indices: Sequence[int]) -> Iterator[bytes]:
        """Yield frames as Explicit VR Little Endian has them, colour as interleaved RGB.

        Raises
        ------
        UnreadableFileError
            If a frame cannot be decoded.
        """
        if self.length is not None:
            yield from self.stored(indices)
            return
        for index in indices:
            yield self._as_octets(self.array(index))

    def array(self, index: int) -> NDArray[Any]:
        """Return one frame, (rows, columns) or (rows, columns, 3), as stored, colour as RGB.

        Raises
        ------
        UnreadableFileError
            If it cannot be decoded.
        """
        if self.syntax == JPEGExtended12Bit:  # by GDCM, which takes whole files
            frames = stored_frames(read_dataset(self.path, with_pixels=True), self.name)
            return frames if self.frames == 1 else np.asarray(frames[index])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # oddities that decode all the same
                source = read_dataset(self.path, with_pixels=True) if self._deflated else self.path
                return np.asarray(pixel_array(source, index=index))
        except (*PARSE_ERRORS, RuntimeError, MemoryError, IndexError) as error:
            said = "; ".join(line.strip() for line in str(error).splitlines())
            raise UnreadableFileError(
                f"{self.name}: frame {index + 1} cannot be decoded ({said or type(error).__name__})"
            ) from error

    def whole(self) -> Iterator[bytes]:
        """Yield the value of uncompressed pixel data in pieces."""
        if self.length is None:
            raise UnreadableFileError(f"{self.name}: its pixel data are in frames")
        if self.syntax == ExplicitVRBigEndian:
            yield from self.stored(range(self.frames))
            return
        self.stream.seek(self.offset)
        left = self.length
        while left and (piece := self.stream.read(min(left, _PIECE))):
            left -= len(piece)
            yield piece

    def _native(self, index: int) -> bytes:
        if self.syntax == ExplicitVRBigEndian:
            return self._as_octets(self.array(index))
        bits = self._frame_bits()
        first, last = index * bits, (index + 1) * bits
        self.stream.seek(self.offset + first // _BITS_OF_A_BYTE)
        wanted = -(-last // _BITS_OF_A_BYTE) - first // _BITS_OF_A_BYTE
        content = self.stream.read(wanted)
        if len(content) < wanted or -(-last // _BITS_OF_A_BYTE) > (self.length or 0):
            raise UnreadableFileError(f"{self.name}: frame {index + 1} is cut short")
        if bits % _BITS_OF_A_BYTE:  # frames of one bit need not end with a byte
            packed = np.frombuffer(content, dtype=np.uint8)
            start = first % _BITS_OF_A_BYTE
            cut = np.unpackbits(packed, bitorder="little")[start : start + bits]
            return np.packbits(cut, bitorder="little").tobytes()
        return content

    def _frame_bits(self) -> int:
        header = self.header
        bits = int(header.Rows) * int(header.Columns) * int(header.get("SamplesPerPixel") or 1)
        bits *= int(header.BitsAllocated)
        return bits * 2 // 3 if header.get("PhotometricInterpretation") == "YBR_FULL_422" else bits

    def _as_octets(self, frame: NDArray[Any]) -> bytes:
        if int(self.header.BitsAllocated) == 1:
            return np.packbits(frame.astype(np.uint8), bitorder="little").tobytes()
        return frame.astype(frame.dtype.newbyteorder("<")).tobytes()

    def _offsets(self) -> tuple[bytes, bytes] | None:
        table = self.header.get("ExtendedOffsetTable")
        lengths = self.header.get("ExtendedOffsetTableLengths")
        return (table, lengths) if table and lengths else None


@contextmanager
def open_pixels(path: Path, name: str) -> Iterator[Pixels | None]:
    """Open a stored object; None where it has no pixel data.

    Raises
    ------
    UnreadableFileError
        If it cannot be read.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UnreadableFileError(f"{name} cannot be opened: {error.strerror}") from error
    with stream:
        yield _opened(path, name, stream)


def _opened(path: Path, name: str, stream: BinaryIO) -> Pixels | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are judged where they are used
            header = pydicom.dcmread(stream, stop_before_pixels=True)
            inside = stream
            if header.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                inside = _inflated(path, header)
            return pixels_behind(header, inside, path, name)
    except PARSE_ERRORS as error:
        raise UnreadableFileError(
            f"{name} is not a readable DICOM file ({str(error) or type(error).__name__})"
        ) from error


def pixels_behind(header: FileDataset, stream: BinaryIO, path: Path, name: str) -> Pixels | None:
    """Return the pixel data of a header that was read off a stream; None where there are none."""
    is_implicit, is_little = header.original_encoding
    order = "<" if is_little is not False else ">"
    head = stream.read(8)
    if len(head) < 8:  # noqa: PLR2004 - tag and length
        return None
    group, element, length = struct.unpack(order + "HHL", head)
    tag, vr = group << 16 | element, "OW"
    if tag not in PIXEL_TAGS or "Rows" not in header:
        return None
    if not is_implicit:
        vr = head[4:6].decode("ascii", "replace")
        if vr in _LONG_VRS:
            (length,) = struct.unpack(order + "L", stream.read(4))
        else:
            (length,) = struct.unpack(order + "H", head[6:])
    syntax = str(header.file_meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian)
    return Pixels(
        name=name,
        path=path,
        header=header,
        stream=stream,
        tag=tag,
        vr=vr,
        offset=stream.tell(),
        length=length if is_native(syntax) else None,
    )


def _inflated(path: Path, header: FileDataset) -> BinaryIO:
    """Return the pixel data element of a deflated file, as if it stood in a plain one."""
    whole = read_dataset(path, with_pixels=True)
    tag = next((tag for tag in PIXEL_TAGS if tag in whole), None)
    if tag is None or "Rows" not in header:
        return io.BytesIO()
    value = whole[tag].value
    return io.BytesIO(struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, b"OW", 0, len(value)) + value)
