"""Our node and those that it talks to, as the settings name them."""

from dataclasses import fields
from pathlib import Path
from typing import Final

from copilot.mllp import Listener
from copilot.settings import (
    NodeSettings,
    PeerSettings,
    PeerTlsSettings,
    ReportDestinationSettings,
    Settings,
    read_secret,
)
from dicom_node.commitment import CommitmentDesk
from dicom_node.door import Allowed, Door
from dicom_node.scp import NodeAddress
from dicom_node.scu import DicomPeer, Peer
from dicom_node.stow import WebPeer
from dicom_node.tls import ClientTls, ServerTls
from dicom_node.wado import WebSource
from domain.errors import InputError, SettingsError

_KIB: Final = 2**10
_MIB: Final = 2**20


def node_address(node: NodeSettings) -> NodeAddress:
    """Return where our node listens, and how much it takes."""
    return NodeAddress(
        ae_title=node.ae_title,
        host=node.host,
        port=node.port,
        idle_timeout_s=node.idle_timeout_s,
        most_associations=node.most_associations,
        largest_pdu=node.largest_pdu_kb * _KIB,
        largest_instance=node.largest_instance_mb * _MIB,
    )


def node_tls(node: NodeSettings) -> ServerTls | None:
    """Return what our node shows to callers; None for plain DICOM.

    Raises
    ------
    SettingsError
        If only one of certificate and key is given.
    """
    tls = node.tls
    if not (tls.certificate or tls.key or tls.ca):
        return None
    if not (tls.certificate and tls.key):
        raise SettingsError("[node.tls] needs certificate and key together")
    return ServerTls(certificate=_file(tls.certificate), key=_file(tls.key), ca=_given(tls.ca))


def node_door(settings: Settings) -> Door:
    """Return who may associate with our node.

    Raises
    ------
    InputError
        If an entry of the list is no address, network or name.
    """
    node = settings.node
    listed = [Allowed(ae_title=entry.ae_title, host=entry.host) for entry in node.allow]
    door = Door(ae_title=node.ae_title, allowed=listed, check_called_ae=node.check_called_ae)
    return door.with_peers(
        (peer.ae_title, peer.host) for peer in settings.peers if not peer.stow_url
    )


def report_listener(settings: ReportDestinationSettings) -> Listener:
    """Return who takes HL7 messages."""
    plain = settings.model_dump(include={field.name for field in fields(Listener)} - {"tls"})
    return Listener(**plain, tls=_client_tls(settings.tls))


class Peers:
    """The archives and stations of the settings, to be sent to, asked and fetched from."""

    def __init__(self, settings: Settings, commitments: CommitmentDesk) -> None:
        self._settings = settings
        self._commitments = commitments

    def called(self, ae_title: str) -> PeerSettings:
        """Return the settings of a peer by its AE title.

        Raises
        ------
        InputError
            Naming those that there are.
        """
        for peer in self._settings.peers:
            if peer.ae_title == ae_title:
                return peer
        known = ", ".join(peer.ae_title for peer in self._settings.peers) or "none"
        raise InputError(f"no peer {ae_title!r} in the settings ([[peers]]: {known})")

    def either(self, peer: PeerSettings) -> DicomPeer | WebSource:
        """Return a peer by DICOMweb where it has a ``stow_url``, and by DICOM otherwise."""
        return self.by_web(peer) if peer.stow_url else self.by_dicom(peer)

    def by_dicom(self, peer: PeerSettings) -> DicomPeer:
        """Return a DICOM node that we call.

        Raises
        ------
        InputError
            If it is a DICOMweb destination.
        """
        if peer.stow_url:
            raise InputError(
                f"{peer.ae_title} is a DICOMweb peer (stow_url): it has no C-ECHO and no "
                "C-MOVE; name a peer with host and port"
            )
        plain = peer.model_dump(include={field.name for field in fields(Peer)} - {"tls"})
        ours = self._settings.node.ae_title
        return DicomPeer(ours, Peer(**plain, tls=_client_tls(peer.tls)), self._commitments)

    def by_web(self, peer: PeerSettings) -> WebSource:
        """Return a DICOMweb peer.

        Raises
        ------
        SettingsError
            If a file of its secrets cannot be read.
        """
        name = peer.ae_title
        return WebSource(
            WebPeer(
                name=name,
                url=peer.stow_url.rstrip("/"),
                token=read_secret(peer.token_file, f"token_file of {name}"),
                user=peer.user,
                password=read_secret(peer.password_file, f"password_file of {name}"),
                ca=_given(peer.ca),
                connect_timeout_s=peer.connect_timeout_s,
                answer_timeout_s=peer.answer_timeout_s,
            )
        )


def _file(name: str) -> Path:
    return Path(name).expanduser()


def _given(name: str) -> Path | None:
    return _file(name) if name else None


def _client_tls(settings: PeerTlsSettings | None) -> ClientTls | None:
    if settings is None:
        return None
    return ClientTls(
        ca=_given(settings.ca),
        certificate=_given(settings.certificate),
        key=_given(settings.key),
        check_hostname=settings.check_hostname,
    )
