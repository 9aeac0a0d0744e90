# SPDX-License-Identifier: Apache-2.0
"""Listens to a running node for a while and checks all of its topics against what their readers rely on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rich.text import Text

from mtl_perception.core.terminal_table import TerminalTable
from mtl_perception.ros.doctor.verdicts import ON_THE_GROUND, Finding, Heard, judge
from mtl_perception.ros.names import topics_of
from mtl_perception.ros.outputs.topic import LATCHED
from mtl_perception.ros.outputs.topics import TOPICS

_ENOUGH = 5
"""Frames after which there is no need to listen longer."""
_GRAPH_S = 5.0

_STYLES: dict[str, str] = {"fine": "green", "notice": "yellow", "broken": "bold red", "left out": "dim"}


def examine(node: str, camera: str = "", seconds: float = 10.0) -> list[Finding]:
    """Listen to the topics of ``node`` (of one of its cameras, if it has several) and check them.

    It ends early once enough frames were heard. The listening makes the node run all of its heads.

    Raises:
        ValueError: as ``topics_of``.
    """
    topics = topics_of(node, camera)
    context = rclpy.Context()
    rclpy.init(context=context)
    listener = rclpy.create_node("perception_doctor", context=context)
    try:
        heard = _listen(listener, topics, seconds)
    finally:
        listener.destroy_node()
        rclpy.try_shutdown(context=context)
    return list(judge(heard, node, camera))


def findings_table(node: str, findings: Iterable[Finding]) -> TerminalTable:
    """For the terminal: what is broken first."""
    table = TerminalTable(["rule", "", "what was found", "what to do"], title=f"what {node} publishes", figures=False)
    order = ("broken", "notice", "left out", "fine")
    for finding in sorted(findings, key=lambda one: order.index(one.verdict)):
        # Text, for rich reads str for markup, and these quote names of others.
        rule, text, remedy = map(Text, (finding.rule, finding.text, finding.remedy))
        table.add_row(rule, Text(finding.verdict, _STYLES[finding.verdict]), text, remedy)
    return table


def _listen(listener: Node, topics: str, seconds: float) -> Heard:
    heard = Heard()
    executor = SingleThreadedExecutor(context=listener.context)
    executor.add_node(listener)
    started_s = time.monotonic()

    def spin_until(is_enough: Callable[[], bool], limit_s: float) -> None:
        while not is_enough() and time.monotonic() - started_s < limit_s:
            executor.spin_once(timeout_sec=0.1)

    def publishers() -> dict[str, list[Any]]:
        return {topic: listener.get_publishers_info_by_topic(f"{topics}/{topic}") for topic in TOPICS}

    listener.create_subscription(DiagnosticArray, "/diagnostics", heard.diagnostics.append, 10)
    spin_until(lambda: all(of or TOPICS[topic].missing_when for topic, of in publishers().items()), min(_GRAPH_S, seconds))
    heard.publishers = publishers()
    for topic, known in TOPICS.items():
        types = {info.topic_type for info in heard.publishers[topic]}
        if types == {known.type_name}:
            qos = _qos(topic, heard.publishers[topic])
            listener.create_subscription(known.message_type, f"{topics}/{topic}", heard.messages[topic].append, qos)
    spin_until(lambda: _has_enough(heard), seconds)
    executor.shutdown()
    return heard


def _has_enough(heard: Heard) -> bool:
    """Of all that is published; what is not will not come by listening longer."""
    published = [topic for topic in TOPICS if heard.publishers[topic] and topic != ON_THE_GROUND]
    several = (len(heard.messages[topic]) >= (1 if TOPICS[topic].is_latched else _ENOUGH) for topic in published)
    return all(several) and bool(heard.diagnostics)


def _qos(topic: str, publishers: list[Any]) -> QoSProfile:
    """Returns the QoS that a reader of this topic asks for; for all but the latched one at most what is offered, to hear it at all."""
    if TOPICS[topic].is_latched:
        return LATCHED
    reliable = all(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in publishers)
    return QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT)
