"""What a job may cost: hours × the price that the user gives. No price is known here, and none is made up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Hours of machines, and a price for one of them.

    Parameters
    ----------
    hours
        How long one training takes; ``None`` where nobody has said.
    price
        Of one machine for an hour, in whatever currency; ``None`` where nobody has said.
    machines, trials
        How many at a time for one training, and how many trainings.
    """

    hours: float | None
    price: float | None
    machines: int = 1
    trials: int = 1

    @property
    def machine_hours(self) -> float | None:
        """Hours of machines in all."""
        return None if self.hours is None else self.hours * self.machines * self.trials

    @property
    def total(self) -> float | None:
        """What that costs."""
        hours = self.machine_hours
        return None if hours is None or self.price is None else hours * self.price

    def __str__(self) -> str:
        """Say it, and what is missing for it.

        >>> print(Cost(1.5, 0.4, machines=2))
        1.5 h × 2 machines × 0.4 an hour = 1.20, in your currency; starting the machines comes on top
        >>> print(Cost(None, 0.4))
        not known: how long it takes was not said. Type --hours H to have it worked out
        """
        if self.hours is None or self.price is None:
            flags = {"--hours H": self.hours, "--price-per-hour X": self.price}
            what = {
                "--hours H": "how long it takes was not said", "--price-per-hour X": "the machine's price was not said",
            }  # fmt: skip
            missing = [flag for flag, value in flags.items() if value is None]
            said = " and ".join(what[flag] for flag in missing)
            known = "" if self.machine_hours is None else f" ({self.machine_hours:g} hours of machines)"
            return f"not known{known}: {said}. Type {' '.join(missing)} to have it worked out"
        parts = [f"{self.hours:g} h"]
        parts += [
            f"{n} {what}" for n, what in ((self.machines, "machines"), (self.trials, "trials")) if n > 1
        ]
        return (
            f"{' × '.join(parts)} × {self.price:g} an hour = {self.total:.2f}, in your currency; starting the machines"
            " comes on top"
        )
