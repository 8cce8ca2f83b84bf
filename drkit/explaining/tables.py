"""What the proof and the masks of lesions say of methods, in tables."""

from collections.abc import Mapping

from drkit.explaining.intervals import Mean
from drkit.reporting import Table

Means = dict[str, Mean]

PROVED = ("deletion", "insertion", "drop", "increase")  # of a method's evidence, and of noise
LESION = ("pointing", "mass", "area")
NOISE = "noise of the same grain"
HOW_TO_READ = (
    "deletion low, insertion high: the answer goes with the evidence; beyond noise above 0: more than with noise in its"
    " place; after randomising near 0: the maps show what was learned, not edges"
)


def proof_table(proofs: Mapping[str, Means]) -> Table:
    """A row a method, and one for noise of each grain."""
    columns = ("method", "deletion", "insertion", "beyond noise", "average drop", "increase", "after\nrandomising")
    rows = [[method, *_proof_cells(means)] for method, means in proofs.items()]
    grains: dict[tuple[str, ...], list[str]] = {}
    for method, means in proofs.items():
        grains.setdefault(tuple(str(means[f"noise_{name}"]) for name in PROVED), []).append(method)
    for noise, methods in grains.items():
        name = NOISE if len(grains) == 1 else f"{NOISE} as {', '.join(methods)}"
        rows.append([name, *noise[:2], "", *noise[2:], ""])
    first = next(iter(proofs.values()))
    title = f"Faithfulness, means over {first['deletion'].cases} cases of {first['deletion'].patients} patients (95 %)"
    return Table(title, columns, rows)


def lesion_table(found: Mapping[str, Mapping[str, Means]]) -> Table:
    """A row a method and kind of lesion."""
    columns = ("method", "lesion", "photographs", "pointing game", "mass inside", "area of the mask")
    rows = [
        [method, kind, str(means["area"].cases), *(str(means[name]) if name in means else "-" for name in LESION)]
        for method, kinds in found.items()
        for kind, means in kinds.items()
    ]
    return Table("Evidence for, against masks of lesions, means with 95 % intervals over patients", columns, rows)


def _proof_cells(means: Means) -> list[str]:
    names = ("deletion", "insertion", "beyond_noise", "drop", "increase", "after_randomising")
    return [str(means[name]) for name in names]
