# SPDX-License-Identifier: Apache-2.0
"""Who is on the other end of the node's topics, and why some of them cannot be heard or cannot hear."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo

from mtl_perception.core.foreign_text import cut

_CLOCK, _TF_STATIC = "/clock", "/tf_static"


@dataclass(frozen=True)
class Source:
    """A publisher on a topic that the node reads; ``mismatch`` says why it cannot be heard."""

    node: str
    mismatch: str | None


def sources(publishers: Collection[TopicEndpointInfo], expected: str, remedy: str, asked: QoSProfile) -> list[Source]:
    """The ``publishers`` of a topic that is read as the type ``expected``, else take ``remedy``, and with the QoS ``asked``."""
    return [Source(_name(info), _mismatch(info, expected, remedy, asked)) for info in publishers]


def other_topics(node: Node, types: Collection[str], besides: str) -> list[str]:
    """Topics of other nodes that carry one of ``types``: what the user may have meant."""
    own = node.get_fully_qualified_name() + "/"
    return [
        name
        for name, of in node.get_topic_names_and_types()
        if set(types) & set(of) and not name.startswith(own) and name != besides and node.count_publishers(name)
    ]


def deaf_readers(node: Node, publisher: Publisher) -> list[str]:
    """Readers of what ``publisher`` publishes that ask for more than it offers, with what to do: they hear nothing."""
    topic = publisher.topic_name
    if node.count_subscribers(topic) <= publisher.get_subscription_count():  # the usual case, and quickly told
        return []
    own = node.get_fully_qualified_name()
    offered = next((info.qos_profile for info in node.get_publishers_info_by_topic(topic) if _name(info) == own), None)
    found = []
    for info in node.get_subscriptions_info_by_topic(topic) if offered else ():
        if why := _incompatible(offered, info.qos_profile):
            is_reliability = info.qos_profile.reliability != offered.reliability
            remedy = "set output.reliability to reliable" if is_reliability else "let it ask for durability volatile"
            found.append(f"{_name(info)} cannot hear {topic}, {why}: {remedy}")
    return found


def surroundings(node: Node) -> list[str]:
    """Returns what is wrong around the node as a whole, each with what to do."""
    problems = []
    name, namespace = node.get_name(), node.get_namespace()
    namesakes = node.get_node_names_and_namespaces().count((name, namespace))
    if namesakes > 1:
        problems.append(
            f"{namesakes} nodes are named {node.get_fully_qualified_name()}, so their topics and parameters are mixed up: end one, "
            "or give it another name (-r __node:=NAME) or namespace (-r __ns:=/NAME)"
        )
    if node.get_parameter("use_sim_time").value and node.get_clock().now().nanoseconds == 0:
        clock = node.resolve_topic_name(_CLOCK)
        if node.count_publishers(clock):
            problems.append(f"use_sim_time is true and the time on {clock} stands at 0: is the simulation paused?")
        else:
            problems.append(
                f"use_sim_time is true and nobody publishes {clock}: start the simulation, play the bag with --clock, "
                "or set use_sim_time to false"
            )
    return problems


def _mismatch(publisher: TopicEndpointInfo, expected: str, remedy: str, asked: QoSProfile) -> str | None:
    if publisher.topic_type != expected:
        return f"publishes {cut(publisher.topic_type)}, expected {expected}: {remedy}"
    if why := _incompatible(publisher.qos_profile, asked):
        offered = publisher.qos_profile.reliability.short_key
        return f"offers {offered} and this node asks for {asked.reliability.short_key}: set input.reliability to {offered} ({why})"
    return None


def _incompatible(offered: QoSProfile, asked: QoSProfile) -> str:
    """Why who asks cannot hear who offers; empty if it can."""
    compatibility, reason = qos_check_compatible(offered, asked)
    return reason.replace("ERROR: ", "").strip(" ;").lower() if compatibility == QoSCompatibility.ERROR else ""


def _name(info: TopicEndpointInfo) -> str:
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
