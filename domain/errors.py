"""The tree of everything that can go wrong, in one place.

::

    RadcopilotError
    ├── InputError                what we were given cannot be used (exit status 2)
    │   ├── UnreadableFileError       not DICOM, truncated, unknown codec
    │   ├── GeometryError             positions that make no volume
    │   │   ├── TiltedGantryError
    │   │   ├── SliceGapError
    │   │   ├── DuplicateSliceError
    │   │   └── MixedOrientationError
    │   ├── UncalibratedError         a length or volume without a known spacing
    │   ├── EmptyMaskError            a measurement of nothing
    │   ├── PromptError               a box, point or range that does not fit the volume
    │   ├── AudioError                no sound, wrong format
    │   ├── MessageError              no message of the voice protocol, or not now
    │   └── SettingsError             unknown or wrong value in a settings file
    ├── CannotDoError             an honest refusal, with what would help (exit status 2)
    ├── AccessError               who asks may not come in
    │   ├── LoginRefusedError
    │   └── TooManyTriesError
    ├── BusyError                 more at once than is done at once
    ├── ModelMissingError         weights are not installed (exit status 1)
    ├── DigestMismatchError       a file is not the file that was pinned
    ├── PeerError                 another system did not do its part
    │   ├── PeerUnreachableError
    │   └── PeerRefusedError
    │       ├── NotOfferedError
    │       └── UnansweredError
    ├── StorageError              disk full, index not writable, port busy
    │   ├── IndexUnavailableError     the index was not written at the last try
    │   └── NoRoomError               less is free on the disk than must stay
    └── Cancelled                 the user stopped it; nothing went wrong

Messages name the thing, its value and the remedy, and never a patient.
"""


class RadcopilotError(Exception):
    """Root of every error this project raises on purpose."""


class InputError(RadcopilotError):
    """What we were given cannot be used as it is: mend the input."""


class UnreadableFileError(InputError):
    """A file is not what its place or name promises, or its codec is not available."""


class GeometryError(InputError):
    """The positions and orientations of the slices make no regular volume."""


class TiltedGantryError(GeometryError):
    """Slices are shifted against their normal: resample the series upright first."""


class SliceGapError(GeometryError):
    """Slices are missing or unevenly spaced: ask the PACS for the complete series."""


class DuplicateSliceError(GeometryError):
    """Two slices stand at one position: choose one phase, echo or reconstruction."""


class MixedOrientationError(GeometryError):
    """Slices of one series are oriented, sized or spaced differently: split the series."""


class UncalibratedError(InputError):
    """A length, area or volume was asked of an image whose spacing is not known."""


class EmptyMaskError(InputError):
    """A measurement was asked of a mask without a voxel."""


class PromptError(InputError):
    """A box, point or slice range lies outside the volume or encloses nothing."""


class AudioError(InputError):
    """A recording holds no speech, or is not in a format that can be read."""


class MessageError(InputError):
    """A page or program sent what is no message of the protocol, or not at this moment."""


class SettingsError(InputError):
    """A settings file has an unknown key or a value that cannot be used."""


class CannotDoError(RadcopilotError):
    """No engine can honestly do this: the message says why and what would help."""


class AccessError(RadcopilotError):
    """Who asks may not come in, or may not do this."""


class LoginRefusedError(AccessError):
    """Name and password, or what an OpenID provider said, let nobody in."""


class TooManyTriesError(AccessError):
    """Too many tries to log in failed: the next one has to wait."""

    def __init__(self, message: str, *, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class BusyError(RadcopilotError):
    """More was asked at once than is done at once: try again when something has ended."""


class ModelMissingError(RadcopilotError):
    """Weights are not installed: run ``radcopilot models install``."""


class DigestMismatchError(RadcopilotError):
    """A file's sha256 is not the pinned one: it was truncated, replaced or tampered with."""


class PeerError(RadcopilotError):
    """Another system on the network did not do its part."""


class PeerUnreachableError(PeerError):
    """No association or connection could be made: check host, port and firewall."""


class PeerRefusedError(PeerError):
    """The peer answered, and said no: its own words are in the message."""


class NotOfferedError(PeerRefusedError):
    """The peer does not offer this kind of object or question at all."""


class UnansweredError(PeerRefusedError):
    """The peer took a request and sent no answer in time: let it know our host and port."""


class StorageError(RadcopilotError):
    """Something could not be kept: disk full, folder not writable, port already taken."""


class IndexUnavailableError(StorageError):
    """The index could not be written at the last try: nothing is taken in until it can."""


class NoRoomError(StorageError):
    """Less is free on the disk than must stay: nothing is taken in until there is room."""


class Cancelled(RadcopilotError):  # noqa: N818 - not a failure
    """The user stopped the work."""
