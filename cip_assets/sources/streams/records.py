"""Records of a topic, as they come."""

from bisect import bisect_left
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Records:
    """Records of a partition, in the order of their offsets. There are so many that they are kept as two lists."""

    offsets: list[int] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, which: slice) -> "Records":
        return Records(self.offsets[which], self.values[which])

    def since(self, offset: int) -> "Records":
        """Those from this offset on."""
        return self[bisect_left(self.offsets, offset) :]
