"""What the user is told when a command cannot do what was asked.

Errors are recognised only once one has happened: their modules are too slow to import before.
"""


class CommandError(Exception):
    """A command cannot go on, for a reason the user can mend; the message is one sentence."""


def in_one_line(exc: Exception) -> str | None:
    """The sentence for an error that the user can mend; None for a fault of ours.

    >>> in_one_line(FileNotFoundError(2, "No such file or directory", "shirt.jpg"))
    'shirt.jpg: No such file or directory'
    >>> in_one_line(KeyError("oops")) is None
    True
    """
    if isinstance(exc, CommandError):
        return str(exc)
    if isinstance(exc, OSError):
        return _of_system(exc)
    from pydantic import ValidationError

    if isinstance(exc, ValidationError) and exc.title == "Settings":
        return _of_settings(exc)
    return _of_rooms(exc)


def _of_system(exc: OSError) -> str | None:
    # A reader that went away (`lapel embed ... | head`) is dealt with by the command framework.
    if isinstance(exc, BrokenPipeError):
        return None
    place = f"{exc.filename}: " if exc.filename else ""
    return f"{place}{exc.strerror or exc}"


def _of_settings(exc: Exception) -> str:
    from pydantic import ValidationError

    assert isinstance(exc, ValidationError)
    faults = [
        f"LAPEL_{'_'.join(map(str, fault['loc'])).upper()}={fault['input']!r}: {fault['msg']}"
        for fault in exc.errors()
    ]
    return "; ".join(faults)


def _of_rooms(exc: Exception) -> str | None:
    from model.encoder import ModelFileError
    from model.labels import LabelTableError
    from service.errors import TRANSLATIONS, ServiceError

    if isinstance(exc, ServiceError):
        return exc.detail
    if isinstance(exc, (ModelFileError, LabelTableError, *TRANSLATIONS)):
        return " ".join(str(exc).split())
    return None
