# SPDX-License-Identifier: Apache-2.0
import signal
import threading

import pytest

from mtl_perception.core.interrupts import held_back


@pytest.fixture(autouse=True)
def handlers():
    """As where work can be interrupted, and as before at the end."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    yield
    for number, handler in zip(numbers, before):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_inside_takes_effect_behind_it(number):
    done = []
    with pytest.raises(KeyboardInterrupt):
        with held_back():
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("inside")
        done.append("behind")
    assert done == ["inside"]
    assert signal.getsignal(number) is signal.default_int_handler


def test_an_error_inside_is_not_hidden():
    with pytest.raises(ValueError, match="inside"), held_back():
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_do_nothing():
    done = []

    def work():
        with held_back():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
