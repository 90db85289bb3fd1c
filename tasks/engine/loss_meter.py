"""Losses since the last log line: sums on the device, and masked steps."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tasks.engine.distributed import World
from tasks.engine.step import StepResult, mean_rows


class LossMeter:
    """Sums of losses and gradient norm over the steps since the last log line; masked steps count
    apart.
    """

    def __init__(self, saved: Mapping[str, float]) -> None:
        self.saved = dict(saved)
        self.names: tuple[str, ...] = ()
        self.sums: Tensor | None = None
        """(L + 3,): the values of StepResult and the number of steps that were not masked."""
        self.steps = int(saved.get("steps", 0))
        self.suspects: list[tuple[int, StepResult]] = []
        self.masked_in_a_row = 0
        """Most consecutive masked steps that the last call of `masked_steps` found, continued from
        the call before."""
        self._masked_at_the_end = 0

    @property
    def known_names(self) -> set[str]:
        """Return the names of the losses, of this process or of a resumed run's sums."""
        return {*self.names, *self.saved}

    def add(self, step: int, result: StepResult) -> None:
        """Count the step that made `step` finished steps; does not synchronise."""
        if self.sums is None:
            self.names = (*result.names, "kept")
            self.sums = self._start(result.values.device)
        counted = torch.cat([result.values, torch.ones_like(result.masked)[None]])
        self.sums += counted.masked_fill(result.masked > 0, 0.0)  # a product would stay NaN
        self.steps += 1
        self.suspects.append((step, result))

    def _start(self, device: torch.device) -> Tensor:
        """Return zeros, or the sums of a resumed run; only these come from the host.

        Sums of other losses, of another version, are left out.
        """
        if self.saved.keys() != {*self.names, "steps"}:
            self.steps = 0
            return torch.zeros(len(self.names), device=device)
        return torch.tensor([self.saved[name] for name in self.names], device=device)

    def totals(self, world: World) -> dict[str, float]:
        """Return the sums, averaged over ranks, with the number of steps; only rank 0's result is
        valid. Synchronises.
        """
        if self.sums is None:
            return self.saved
        own = dict(zip(self.names, self.sums.tolist(), strict=True)) | {"steps": float(self.steps)}
        rows = world.gather(own)
        return own if rows is None else mean_rows(rows)

    def means(self, world: World) -> dict[str, float]:
        """Return the means over unmasked steps, and `skipped`, the number of masked ones; then
        reset.
        """
        totals = self.totals(world)
        kept = totals.pop("kept")
        steps = totals.pop("steps")
        self.saved = {}
        self.sums = None
        self.steps = 0
        means = {name: total / kept if kept else float("nan") for name, total in totals.items()}
        return means | {"skipped": steps - kept}

    def masked_steps(self, world: World, name_image: Callable[[int], str]) -> list[str]:
        """Return a line for each masked step since the last call, with its images; only on rank 0.
        Synchronises.
        """
        suspects = self.suspects
        self.suspects = []
        masked = torch.stack([result.masked for _, result in suspects]).tolist() if suspects else []
        self._count_in_a_row(masked)
        found = [
            (step, result) for (step, result), flag in zip(suspects, masked, strict=True) if flag
        ]
        if not found:  # gradients are averaged over ranks, so that every rank finds the same steps
            return []
        gathered = world.gather([_images(result) for _, result in found])
        lines = []
        for index, (step, _) in enumerate(found if gathered else []):
            reports = [report[index] for report in gathered or []]
            guilty = [image for bad, _ in reports for image in bad] or [
                image for _, images in reports for image in images
            ]
            images = ", ".join(name_image(image) for image in guilty)
            lines.append(
                f"step {step}: a gradient was not finite and the update was left out; images"
                f" {images}"
            )
        return lines

    def _count_in_a_row(self, masked: list[float]) -> None:
        self.masked_in_a_row = 0
        for flag in masked:
            self._masked_at_the_end = self._masked_at_the_end + 1 if flag else 0
            self.masked_in_a_row = max(self.masked_in_a_row, self._masked_at_the_end)


def _images(result: StepResult) -> tuple[list[int], list[int]]:
    """Return this rank's ids of the images in micro-batches with a non-finite loss, and of all
    images of the step.
    """
    finite = result.finite.tolist()
    bad = [
        image
        for ids, good in zip(result.image_ids, finite, strict=True)
        if not good
        for image in ids.tolist()
    ]
    return bad, [image for ids in result.image_ids for image in ids.tolist()]
