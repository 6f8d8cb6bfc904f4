"""``libvirt:index/network:Network`` on a real libvirtd."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network
from typing import TYPE_CHECKING

from ampere_infra.rehearsal.doubles.kind import Call, Made, RefusalError
from ampere_infra.rehearsal.doubles.libvirt import refusals
from ampere_infra.rehearsal.doubles.libvirt.networks import NetworkKind
from ampere_infra.rehearsal.doubles.libvirt.real.definitions import network_xml
from ampere_infra.rehearsal.doubles.libvirt.real.virsh import DOCUMENT, VirshError, refusing
from ampere_infra.rehearsal.doubles.values import Properties, text
from ampere_infra.rehearsal.places.hypervisor import Network

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from ampere_infra.rehearsal.doubles.libvirt.real.virsh import Virsh

_PLAYED_ONLY = ("routes", "dnsmasqOptions", "xml")


class RealNetwork(NetworkKind):
    """A network of the real host."""

    alone = False

    def __init__(self, virsh: Virsh) -> None:
        self.virsh = virsh

    def create(self, call: Call) -> Made:
        """Define and start a network; when the start fails, it is undefined again."""
        network = self.wanted(call.inputs)
        _refuse_unknown(call.inputs)
        document = network_xml(network, call.inputs)
        with self.virsh.networks:
            try:
                self.virsh("net-define", DOCUMENT, stdin=document)
            except VirshError as error:
                raise RefusalError(
                    f"error defining libvirt network: {error} - {document}"
                ) from error
        self._start(network.name)
        if "autostart" in call.inputs:
            self._autostart(network.name, wanted=network.autostart)
        with refusing("error retrieving network"):
            identity = self.virsh("net-uuid", network.name)
        made = self._found(identity, call.inputs)
        if made is None:
            raise RefusalError(f"error reading libvirt network XML description: {network.name}")
        return made

    def read(self, call: Call) -> Made | None:
        """Return the network that has this id."""
        return self._found(call.id, call.old)

    def change(self, call: Call) -> Made:
        """Change what libvirt can change on a live network."""
        with refusing(f"can't retrieve network with ID '{call.id}' during update"):
            if self.virsh.document("net-dumpxml", call.id) is None:
                raise refusals.network_gone(call.urn)
            active = self.virsh.told("net-info", call.id)["Active"] == "yes"
        if not active:
            with refusing("error when activating network during update"):
                self.virsh("net-start", call.id)
        if call.inputs.get("autostart") != call.old.get("autostart"):
            self._autostart(call.id, wanted=bool(call.inputs.get("autostart")))
        made = self._found(call.id, call.inputs)
        if made is None:
            raise refusals.network_gone(call.urn)
        return Made(call.id, {**call.old, **made.outputs})

    def delete(self, call: Call) -> None:
        """Stop and forget the network, used or not; its absence is an error."""
        with refusing("when destroying libvirt network: error retrieving"):
            if self.virsh.document("net-dumpxml", call.id) is None:
                raise refusals.no_network(call.id)
            active = self.virsh.told("net-info", call.id)["Active"] == "yes"
        if active:
            with refusing("when destroying libvirt network"):
                self.virsh("net-destroy", call.id)
        with refusing("couldn't undefine libvirt network"):
            self.virsh("net-undefine", call.id)

    def _start(self, name: str) -> None:
        try:
            self.virsh("net-start", name)
        except VirshError as error:
            for word in ("net-destroy", "net-undefine"):
                with suppress(VirshError):
                    self.virsh(word, name)
            raise RefusalError(f"error creating libvirt network: {error}") from error

    def _autostart(self, name: str, *, wanted: bool) -> None:
        with refusing("error setting autostart for network"):
            self.virsh("net-autostart", name, *(() if wanted else ("--disable",)))

    def _found(self, identity: str, inputs: Properties) -> Made | None:
        with refusing("error retrieving libvirt network"):
            document = self.virsh.document("net-dumpxml", identity)
            if document is None:
                return None
            autostart = self.virsh.told("net-info", identity)["Autostart"] == "yes"
        forward, bridge = document.find("forward"), document.find("bridge")
        network = Network(
            document.findtext("name", ""),
            forward.get("mode", "nat") if forward is not None else text(inputs, "mode"),
            bridge.get("name", "") if bridge is not None else "",
            tuple(ip_network(_cidr(ip), strict=False) for ip in document.findall("ip")),
            dhcp=document.find("ip/dhcp") is not None,
            autostart=autostart,
        )
        return Made(identity, self.told(inputs, network))


def _cidr(ip: Element) -> str:
    width = ip.get("prefix") or ip.get("netmask") or "32"
    return f"{ip.get('address')}/{width}"


def _refuse_unknown(inputs: Properties) -> None:
    asked = [name for name in _PLAYED_ONLY if inputs.get(name)]
    if asked:
        raise RefusalError(f"the rehearsal gives a network of a real host no {', '.join(asked)}")
