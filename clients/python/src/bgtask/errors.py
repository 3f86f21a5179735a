"""What can go wrong: one exception for each `org.bgtask.Error.*`, and those of this library.

The text of each is a sentence for a person: what was asked, what is wrong, what to do. Texts may change, classes do not.
"""

from __future__ import annotations


class Error(Exception):
    """The base of every exception this package raises. By itself: anything the broker answers under another name."""


class NoBrokerError(Error):
    """The environment: no broker can be reached, or it does not answer. Try again once it runs."""


class ConnectionLostError(Error):
    """The broker went away after a call was sent and before its answer came: it may or may not have been done.

    Only calls that must not be done twice raise it; look (`all_tasks`) before trying again. Others are repeated for you.
    """


class ProtocolError(Error):
    """The broker does not keep to the contract: it is of another version."""


class InvalidArgumentError(Error, ValueError):
    """The caller: an argument is missing, too long, malformed, or does not fit the others (BLD-1)."""


class UnknownAppError(Error):
    """The set-up: no installed manifest is of this app, or names this program. A Python program says whom it acts for."""


class UnknownTaskError(Error):
    """The caller: the app has no such registration, or no longer."""


class NotDeclaredError(Error):
    """The set-up: the manifest does not declare the entry point, or not for this kind of trigger (BLD-7).

    The text shows the lines to add.
    """


class AccessDeniedError(Error):
    """The caller: what was asked for belongs to another app, or to the user."""


class NameTakenError(Error):
    """The caller: there is another command of that name already."""


class NotSupportedError(Error):
    """The environment: this machine, or this version of the broker, cannot do it (D16)."""


class LimitReachedError(Error):
    """The caller: one more, or more bytes, than is allowed (TR-1)."""


class StoreUnavailableError(Error):
    """The environment: the broker can make nothing durable now, because the disk is full or read-only."""


class SocketIdTakenError(Error):
    """The caller: the app has handed over a socket of that id already (SOC-10)."""


class SocketWrongKindError(Error):
    """The caller: it is no socket, not connected, or of a kind that cannot be handed over."""


class SocketNotFoundError(Error):
    """The caller: the socket was taken already, or lost with an earlier broker (SOC-13)."""


class SocketInUseError(Error):
    """The caller: the socket's task runs with it. Later."""


class TransferFailedError(Error):
    """A background transfer failed for good, or was cancelled."""


class SettingsError(Error):
    """A setting cannot be read or written. The settings are as they were before."""


class DamagedSettingError(SettingsError):
    """The file of a setting holds no value. Setting it again repairs it."""


class SettingsBusyError(SettingsError):
    """Another process has held the lock of the settings for too long; perhaps it is stopped."""


_BY_NAME: dict[str, type[Error]] = {
    "org.bgtask.Error.UnknownApp": UnknownAppError,
    "org.bgtask.Error.UnknownTask": UnknownTaskError,
    "org.bgtask.Error.InvalidArgument": InvalidArgumentError,
    "org.bgtask.Error.NotDeclared": NotDeclaredError,
    "org.bgtask.Error.AccessDenied": AccessDeniedError,
    "org.bgtask.Error.NameTaken": NameTakenError,
    "org.bgtask.Error.NotSupported": NotSupportedError,
    "org.bgtask.Error.LimitReached": LimitReachedError,
    "org.bgtask.Error.StoreUnavailable": StoreUnavailableError,
    "org.bgtask.Error.SocketIdTaken": SocketIdTakenError,
    "org.bgtask.Error.SocketWrongKind": SocketWrongKindError,
    "org.bgtask.Error.SocketNotFound": SocketNotFoundError,
    "org.bgtask.Error.SocketInUse": SocketInUseError,
    "org.freedesktop.DBus.Error.InvalidArgs": InvalidArgumentError,
}


def of_reply(name: str, message: str) -> Error:
    """The exception for an error reply of the broker."""
    kind = _BY_NAME.get(name)
    if kind is not None:
        return kind(message)
    return Error(message if name == "org.bgtask.Error.Failed" else f"{name}: {message}")


def protocol(found: str) -> ProtocolError:
    """The broker sent something that no broker of this version sends."""
    return ProtocolError(f"the broker sent {found}, which no broker of this version sends; are both of one version?")
