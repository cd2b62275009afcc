"""Crops as a dataset of PyTorch; imported only where PyTorch is installed, because it is not a dependency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import IterableDataset, get_worker_info

if TYPE_CHECKING:
    from collections.abc import Iterator

    from radar_nb.cube.training import Crops


class TorchCrops(IterableDataset):  # type: ignore[misc, unused-ignore] # untyped where PyTorch is absent
    """The crops of an epoch, divided among the workers of a `DataLoader`.

    Parameters
    ----------
    crops : Crops
    """

    def __init__(self, crops: Crops) -> None:
        super().__init__()
        self.crops = crops

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the crops of this worker as dictionaries."""
        worker = get_worker_info()
        crops = self.crops if worker is None else self.crops.part(worker.id, worker.num_workers)
        for crop in crops:
            yield crop._asdict()
