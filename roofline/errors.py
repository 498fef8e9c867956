"""Errors and warnings of the library.

Every message is one sentence: what was given, what is wrong, what would be right.

::

    RooflineError(Exception)
    ├── SpecError(ValueError)             a spec file is wrong: file, key, what was found, what is allowed
    │   ├── UnitError                     '80 GB' is a byte, but a byte/s is wanted here
    │   └── SourceError                   memory cites 'whitepaper', which [sources] does not define
    ├── UnknownNameError(LookupError)     no such model, hardware, format, recipe or engine; its neighbours
    ├── WorkloadError(ValueError)         a batch, length, device count or option out of range
    │   ├── TooLongError                  a sequence is longer than the model's published maximum
    │   └── FileSizeError                 a stated file size is not that of the recipe
    ├── MeasurementError(ValueError)      a measurement file that does not follow the schema
    ├── ModelFileError(ValueError)        a file of a model cannot be read: config, GGUF, safetensors
    ├── NoBoundError(LookupError)         nothing known of this device bounds the work at all
    ├── PictureError(ValueError)          there is nothing to draw, or more than a picture can show
    └── OutputError                       the result cannot be written
    RooflineWarning(UserWarning)
    ├── BrokenSpecWarning                 a spec in a user's folder cannot be read and was passed over
    └── ShadowedSpecWarning               a user's spec hides a built-in one of the same name
"""


class RooflineError(Exception):
    """Base of all errors that this library raises on purpose."""


class SpecError(RooflineError, ValueError):
    """A spec file does not follow the rules."""


class UnitError(SpecError):
    """A quantity cannot be read, or has the wrong dimension."""


class SourceError(SpecError):
    """A value cites a source that is not defined, or a defined source is never cited."""


class UnknownNameError(RooflineError, LookupError):
    """A name was not found; the message lists its nearest neighbours."""


class WorkloadError(RooflineError, ValueError):
    """An argument that describes the workload or the layout is out of range (wrong usage)."""


class TooLongError(WorkloadError):
    """A sequence is longer than the model's published maximum."""


class FileSizeError(WorkloadError):
    """A stated file size is not that of the recipe."""


class MeasurementError(RooflineError, ValueError):
    """A measurement file does not follow the schema."""


class ModelFileError(RooflineError, ValueError):
    """A file of a model cannot be read."""


class NoBoundError(RooflineError, LookupError):
    """No bandwidth and no peak of the device is known for this work, so nothing can be said."""


class PictureError(RooflineError, ValueError):
    """There is nothing to draw, or more than a picture can show."""


class OutputError(RooflineError):
    """The result cannot be written."""


class RooflineWarning(UserWarning):
    """Base of all warnings that this library gives."""


class BrokenSpecWarning(RooflineWarning):
    """A spec file in a user's folder cannot be read and was passed over."""


class ShadowedSpecWarning(RooflineWarning):
    """A user's spec file hides a built-in one of the same name."""
