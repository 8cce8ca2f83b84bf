"""What the table of the proof says."""

from drkit.explaining.intervals import Mean
from drkit.explaining.tables import proof_table

FIGURES = ("deletion", "insertion", "drop", "increase")


def proof(own: float, noise: float) -> dict[str, Mean]:
    values = dict.fromkeys((*FIGURES, "beyond_noise", "after_randomising"), own)
    return {
        name: Mean(value, value, value, 4, 2)
        for name, value in {**values, **{f"noise_{name}": noise for name in FIGURES}}.items()
    }


def test_noise_of_each_grain_has_its_row() -> None:
    one = proof_table({"gradcam": proof(0.1, 0.5), "hirescam": proof(0.2, 0.5)}).rows
    assert [row[0] for row in one] == ["gradcam", "hirescam", "noise of the same grain"]
    two = proof_table({"gradcam": proof(0.1, 0.5), "hirescam": proof(0.2, 0.5), "occlusion": proof(0.3, 0.6)}).rows
    assert [row[0] for row in two[3:]] == [
        "noise of the same grain as gradcam, hirescam",
        "noise of the same grain as occlusion",
    ]
    assert [row[1].split()[0] for row in two] == ["0.100", "0.200", "0.300", "0.500", "0.600"]
