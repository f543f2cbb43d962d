"""What a process contributes to a training on several devices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The replicas that a process feeds: `count` from number `first` on, of `total`.

    Args:
        first: int. Defaults to 0.
        count: int. Defaults to 1.
        total: int. Defaults to 1.

    Example:

    >>> tfsep.pipeline.Share(first=2, count=2, total=4)  # the second of two machines with two GPUs each
    Share(first=2, count=2, total=4)
    """

    first: int = 0
    count: int = 1
    total: int = 1

    def check(self, windows: int) -> None:
        """Raise ValueError if there are fewer windows than replicas."""
        if windows < self.total:
            raise ValueError(
                f"There are fewer windows than replicas. Received: {windows} windows, {self.total} replicas."
            )


ALL = Share()
