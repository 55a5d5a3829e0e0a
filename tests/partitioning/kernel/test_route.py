"""The routing context of a thread."""

from __future__ import annotations

import inspect
import threading

from gradmask.partitioning.kernel.route import Route, RoutingContext


def test_each_thread_has_a_route_of_its_own() -> None:
    context, seen = RoutingContext(("retain", "a")), []
    with context.using(Route({"a": False})):
        thread = threading.Thread(target=lambda: seen.append(context.is_running))
        thread.start()
        thread.join()
        assert context.route.run("a") is False
    assert seen == [False]
    assert not context.is_running


def test_the_route_has_no_default_on_its_class() -> None:
    """The Dynamo of PyTorch 2.11 reads a default of the class, where there is one, instead of what the thread has."""
    running, missing = RoutingContext(("retain",))._running, object()
    assert vars(running)
    assert all(inspect.getattr_static(running, name, missing) is missing for name in vars(running))
