# SPDX-License-Identifier: Apache-2.0
"""The shipped SROS 2 policy allows what a running node has, and nothing else."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from rclpy.action import get_action_client_names_and_types_by_node, get_action_server_names_and_types_by_node

from mtl_perception.core.resources import resource
from mtl_perception.ros.outputs.people import People

pytestmark = pytest.mark.slow

POLICY = resource("config/security/policy.xml")
DOCS = Path(__file__).parents[2] / "docs" / "security.md"


def allowed(kind: str, way: str, node: str) -> set[str]:
    """Full names for a node of this name in the root namespace, as SROS 2 expands them."""
    profile = ElementTree.parse(POLICY).find("enclaves/enclave/profiles/profile")
    assert (profile.get("ns"), profile.get("node")) == ("/", "perception")
    names = [one.text for group in profile.findall(kind) if group.get(way) == "ALLOW" for one in group]
    assert len(set(names)) == len(names), "each once"
    return {node + name[1:] if name.startswith("~/") else name for name in names}


@pytest.fixture(scope="module")
def found(peer, start_shared_node):
    """Of nodes that have between them whatever a node can have: what each has, below the name /perception."""
    common = ("-p", "tracking.enabled:=true", "-p", "use_sim_time:=true", "-p", "depth.source:=fused", "-p", "depth.scale:=scan")
    started = [
        start_shared_node(*common, "-p", f"transport:={way}", "-p", f"depth.transport:={depth_way}", model="every_label")
        for way, depth_way in (("raw", "raw"), ("compressed", "compressedDepth"), ("ffmpeg", "raw"), ("foxglove", "raw"), ("theora", "raw"))
    ]
    ask = {
        "publish": peer.node.get_publisher_names_and_types_by_node,
        "subscribe": peer.node.get_subscriber_names_and_types_by_node,
        "reply": peer.node.get_service_names_and_types_by_node,
        "request": peer.node.get_client_names_and_types_by_node,
        "execute": lambda name, namespace: get_action_server_names_and_types_by_node(peer.node, name, namespace),
        "call": lambda name, namespace: get_action_client_names_and_types_by_node(peer.node, name, namespace),
    }
    for node in started:
        peer.until(lambda: peer.says(node.name, "model", "active"), "the node active")
    peer.spin_for(2.0)  # discovery
    return {
        way: {name.replace(node.name, "/perception", 1) for node in started for name, _ in of(node.name[1:], "/")}
        for way, of in ask.items()
    }


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("topics", "publish"),
        ("topics", "subscribe"),
        ("services", "reply"),
        ("services", "request"),
        ("actions", "execute"),
        ("actions", "call"),
    ],
)
def test_the_policy_allows_what_the_node_has_and_nothing_else(found, kind, way):
    absent = {"/perception/people"} if People is None and way == "publish" else set()
    assert allowed(kind, way, "/perception") - absent == found[way]


def test_the_policy_denies_nothing_that_it_allows():
    assert "DENY" not in POLICY.read_text(encoding="utf-8")


def test_the_page_names_what_it_speaks_of():
    page = DOCS.read_text(encoding="utf-8")
    for words in (
        "config/security/policy.xml",
        "create_keystore",
        "generate_artifacts",
        "ROS_SECURITY_STRATEGY=Enforce",
        "memory_headroom",
    ):
        assert words in page
