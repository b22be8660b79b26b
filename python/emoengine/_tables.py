"""Action units over time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class AuTable:
    """A row of action units a video frame.

    names   the columns, "AU01" ...
    times   (T,) seconds from the start of the sound
    values  (T,N) intensities 0..1

    `pandas.DataFrame(table.columns())` makes a data frame of it, and so does `table.to_pandas()`.
    """

    names: tuple[str, ...]
    times: NDArray[np.float64]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """The curve of one action unit, (T,)."""
        if name not in self.names:
            raise KeyError(name)
        return self.values[:, self.names.index(name)]

    def __iter__(self) -> Iterator[dict[str, float]]:
        """A dict a frame."""
        for row in self.values:
            yield dict(zip(self.names, map(float, row), strict=True))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=True) if copy else np.asarray(self.values, dtype=dtype)

    def columns(self) -> dict[str, NDArray[Any]]:
        """{"time_s": (T,), "AU01": (T,), ...}"""
        return {"time_s": self.times, **{name: self[name] for name in self.names}}

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame with the times as its index. Needs pandas."""
        import pandas

        return pandas.DataFrame(self.values, index=pandas.Index(self.times, name="time_s"), columns=list(self.names))

    def write_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes the table as OpenFace does, intensities 0..5; the same bytes as `emoengine aus --per-frame`."""
        rows = ["frame,timestamp,confidence,success," + ",".join(f"{name}_r" for name in self.names)]
        for i, (time, row) in enumerate(zip(self.times, self.values, strict=True)):
            # The command multiplies in double precision.
            rows.append(f"{i + 1},{time:.3f},1,1," + ",".join(f"{float(value) * 5:.4f}" for value in row))
        Path(path).write_text("\n".join(rows) + "\n", encoding="ascii")
