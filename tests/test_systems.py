"""Systems: what several devices are together, and what a link between nodes bounds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import roofline
from roofline import ops
from roofline.cli.main import main
from roofline.errors import SourceError, SpecError, UnitError
from roofline.machine import machine
from roofline.specs import SystemSpec, load_device, load_hardware, names
from roofline.specs.catalog import read

SYSTEMS = [name for name in names("hardware") if isinstance(load_hardware(name), SystemSpec)]

SYSTEM = """
schema = 1
name = "rack"
title = "A rack"
vendor = "Nobody"
kind = "system"
device = "h100-sxm"
devices = 16
devices_per_node = { value = 8, source = "sheet" }
source = "sheet"

[sources.sheet]
title = "Data sheet"
url = "https://example.org/rack"
locator = "page 1"
accessed = 2026-01-01

[[links]]
name = "inside"
to = "peers"
reach = 8
bandwidth = { value = "450 GB/s", source = "sheet" }

[[links]]
name = "outside"
to = "network"
bandwidth = { value = "1 GB/s", source = "sheet" }

[host]
cpu = { value = "A processor", source = "sheet" }
cpus = { value = 2, source = "sheet" }

[host.memory]
capacity = { value = "2 TiB", source = "sheet" }
bandwidth = { value = "600 GB/s", source = "sheet" }

[host.storage]
capacity = { value = "30 TB", source = "sheet" }
bandwidth = { value = "50 GB/s", source = "sheet" }
"""


@pytest.fixture
def rack(tmp_path):
    path = tmp_path / "rack.toml"
    path.write_text(SYSTEM, encoding="utf-8")
    return path


def _bounds(p):
    return (p.memory.capacity_bytes, p.decode.ceiling, p.decode.streaming, p.decode.uniform, p.prefill.ceiling)


# --- a system is its devices


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_as_many_of_its_device(name):
    spec = load_hardware(name)
    system = roofline.predict("llama-3.1-8b", name, context=1000)
    counted = roofline.predict("llama-3.1-8b", f"{spec.devices}x {spec.device}", context=1000)
    assert _bounds(system) == _bounds(counted)
    assert (system.hardware, system.devices) == (spec.device, spec.devices)


@pytest.mark.parametrize(("name", "count", "device"), [("sn40l-16", 16, "sn40l"), ("dgx-spark-2", 2, "dgx-spark")])
def test_a_system_without_links_of_its_own_agrees_when_devices_share_matrices(name, count, device):
    options = {"prompt": 4096, "tp": count}
    system = roofline.predict("llama-3.1-70b", name, **options)
    assert _bounds(system) == _bounds(roofline.predict("llama-3.1-70b", f"{count}x {device}", **options))


@pytest.mark.parametrize("name", SYSTEMS)
def test_nodes_and_link_domains_are_whole(name):
    spec = load_hardware(name)
    assert spec.nodes * (spec.devices // spec.nodes) == spec.devices
    for link in spec.links:
        assert link.to == "network" or link.reach is None or link.reach >= spec.devices // spec.nodes


def test_a_rack_with_one_link_domain_is_one_node_for_its_links():
    rack = load_hardware("gb200-nvl72")
    assert rack.nodes == 18
    assert machine(load_device(rack), 72, rack).node_devices == 72
    assert machine(load_device(rack), 72, rack).link_bytes_per_s == 900e9 + 50e9


# --- links between nodes


def test_what_must_leave_a_node_goes_over_the_network(rack):
    """Half the matrices lie in each of two nodes: d (sqrt(1/2) - 1/2) of each vector, counted at one of its ends."""
    p = roofline.predict("llama-3.1-8b", rack, prompt=4096, tp=16)
    vectors = 4096 * 4096 * 2 * 31 * 0.5
    crossing = 2 * vectors * (0.5**0.5 - 0.5) / 2
    assert p.prefill.ceiling.seconds == pytest.approx(crossing / (16 * 1e9))
    assert p.prefill.bound == "link"
    assert any("8 devices are a node; what must leave it goes over 1.000 GB/s a device" in a for a in p.assumptions)
    assert any(citation.what == "outside of rack, 1 GB/s" for citation in p.sources)


def test_devices_of_one_node_need_no_network(tmp_path):
    path = tmp_path / "rack.toml"
    path.write_text(SYSTEM.replace("devices = 16", "devices = 8", 1), encoding="utf-8")
    inside = roofline.predict("llama-3.1-8b", path, prompt=4096, tp=8)
    alone = roofline.predict("llama-3.1-8b", "8x h100-sxm", prompt=4096, tp=8)
    assert inside.prefill.ceiling == alone.prefill.ceiling
    assert not any("are a node" in text for text in inside.assumptions)


def test_an_unknown_network_bounds_nothing_and_is_named(tmp_path):
    path = tmp_path / "rack.toml"
    path.write_text(SYSTEM.replace('bandwidth = { value = "1 GB/s", source = "sheet" }', ""), encoding="utf-8")
    p = roofline.predict("llama-3.1-8b", path, prompt=4096, tp=16)
    assert p.prefill.bound == "compute"
    assert any("the bandwidth between nodes of 8 devices is unknown: it bounds nothing" in a for a in p.assumptions)


def test_several_systems_are_nodes_of_one_machine():
    one = roofline.predict("llama-3.1-70b", "dgx-h100", prompt=8192, tp=8)
    two = roofline.predict("llama-3.1-70b", "2x dgx-h100", prompt=8192, tp=16)
    assert two.devices == 16
    assert not any("are a node" in text for text in one.assumptions)
    assert any("8 devices are a node" in text for text in two.assumptions)


@given(sizes=st.lists(st.integers(1, 8), min_size=1, max_size=12))
def test_no_placement_over_nodes_crosses_less(sizes):
    """Each node with the share s of a matrix sends or receives sqrt(s) - s; a byte has two ends."""
    devices = sum(sizes)
    least = ops.crossing_bytes(
        tokens=1.0, d_model=1.0, blocks=1.0, devices=float(devices), node_devices=8.0, element_bytes=1.0
    )
    shares = [size / devices for size in sizes]
    assert least <= sum(s**0.5 - s for s in shares) / 2 + 1e-12
    assert least >= 0


@given(devices=st.integers(1, 4096), node=st.integers(1, 128))
def test_nodes_exchange_less_than_their_devices_do(devices, node):
    work = {"tokens": 1.0, "d_model": 1.0, "blocks": 1.0, "element_bytes": 1.0, "devices": float(devices)}
    crossing = ops.crossing_bytes(node_devices=float(node), **work)
    assert crossing <= devices * ops.exchanged_bytes(**work) / 2 + 1e-9
    assert crossing == pytest.approx(0, abs=1e-9) or devices > node


# --- the host


def test_memory_of_the_host_is_named_and_holds_nothing(rack):
    p = roofline.predict("llama-3.1-70b", rack, context=1000)
    assert p.memory.capacity_bytes == 16 * 81559 * 2**20
    assert "memory of the host (2 TiB a node) holds nothing: offloading is not modelled" in p.assumptions


def test_a_system_is_shown_with_its_nodes_links_and_host(capsys, rack):
    assert main(["show", str(rack)]) == 0
    out = capsys.readouterr().out
    for part in ("16 x h100-sxm", "devices_per_node", "links[outside].bandwidth", "1 GB/s", "host.memory.bandwidth"):
        assert part in out
    assert main(["show", "gb200-nvl72", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)["values"]
    assert values["links[NVLink 5].bandwidth"]["si"] == 900e9
    assert values["devices_per_node"]["value"] == 4
    assert values["host.cpu"]["value"] == "NVIDIA Grace"
    assert values["host.memory.capacity"]["si"] == 1.87e12


# --- broken files: one sentence each


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("devices = 16", "devices = 12"), SpecError, r"devices = 12 is no multiple of devices_per_node = 8"),
        (("value = 8, source", "value = 0, source"), SpecError, r"no multiple of devices_per_node = 0"),
        (("value = 8, source", "value = 32, source"), SpecError, r"no multiple of devices_per_node = 32"),
        (("value = 8, source", "value = -8, source"), SpecError, r"devices_per_node.value"),
        (("value = 8, source", 'value = "8", source'), SpecError, r"devices_per_node.value: .*integer"),
        (('name = "outside"', 'name = "inside"'), SpecError, r"two \[\[links\]\] tables have the same name"),
        (('to = "network"', 'to = "nowhere"'), SpecError, r"links.1.to"),
        (("reach = 8", "reach = 1"), SpecError, r"links.0.reach"),
        (('"2 TiB"', '"2 TiB/s"'), UnitError, r"host.memory.capacity: .*'2 TiB/s' is a byte/s, but a byte is wanted"),
        (("[host.memory]", "[host.mermory]"), SpecError, r"host.mermory: no such key here"),
        (('cpu = { value = "A processor"', 'cpu = { value = ""'), SpecError, r"host.cpu.value"),
        (('"A processor", source = "sheet"', '"A processor", source = "book"'), SourceError, r"host.cpu cites 'book'"),
        (("devices = 16", "devices = 16\nnode = 3"), SpecError, r"node: no such key here"),
    ],
)
def test_a_broken_system_file_says_what_is_wrong(tmp_path, change, error, message):
    assert change[0] in SYSTEM
    path = tmp_path / "rack.toml"
    path.write_text(SYSTEM.replace(*change, 1), encoding="utf-8")
    with pytest.raises(error, match=message) as caught:
        read(path, "hardware")
    assert "\n" not in str(caught.value)
