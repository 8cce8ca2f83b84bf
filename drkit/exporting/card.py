"""The model card of an exported run: its use, training, agreement and limits."""

from collections.abc import Mapping
from typing import Any

from drkit.config.export import NOT_STATED
from drkit.evaluation.agreement import Agreement, with_interval
from drkit.grades import GRADE_NAMES
from drkit.reporting import escape_markdown

TAGS = ("image-classification", "timm", "diabetic-retinopathy", "fundus")
READINGS = {
    "cross-entropy": "Five logits: `softmax` gives the probabilities of the grades 0-4.",
    "regression": "One output: the grade as a number; clip it to 0-4.",
    "mse": "One output: the grade as a number; clip it to 0-4.",
    "corn": "Four logits: the product of their sigmoids up to the k-th is the probability of a grade above k.",
    "cumulative-link": "Four logits: the sigmoid of the k-th is the probability of a grade above k.",
}
OTHER_READING = "Logits, whose probabilities `drkit.losses.build_loss({!r}).probabilities` computes."  # of plugins

QUOTED = ("run", "backbone", "drkit_version", "target", "warning", "trained_on", "weights")

CARD = """---
{front}
---

# {run}

Grades diabetic retinopathy (ICDR {scale}) from one fundus photograph: {backbone}, fine-tuned with
drkit {drkit_version}. It predicts the {target}'s grade.

**{warning}**

## Use

```python
import timm

network = timm.create_model("local-dir:PATH_OF_THIS_FOLDER", pretrained=True).eval()
```

- Input: the photograph squared about its fundus disc (`drkit.images.disc.square_about_disc`){steps}, scaled to
  {side} x {side} pixels, RGB, normalised by the mean and standard deviation in `config.json`.
- Output: {reading}
- drkit turns the output into a grade by {decision}.{unit}

## Training

- Data: {training_data} ({trained_on} photographs{unknown}).
- Started from: {weights}.

## Agreement

{agreement}

The interval is a 95 % bootstrap over patients. Photographs of other cameras, sites and populations are graded worse;
measure it on graded photographs of your own with `drkit score`.
"""


def write_card(facts: Mapping[str, Any], side: int, agreement: Agreement | None, chosen_on: str) -> str:
    """Write the text of a README.md for the Hugging Face Hub.

    Args:
        facts: The result of `collect_facts`.
        side: Side of the network's images in pixels.
        agreement: Agreement of the run's predictions on val; None without graded photographs of val.
        chosen_on: The split that the epoch was selected on.
    """
    num_slots = facts["photographs_a_unit"]
    unit = (
        f" The run graded up to {num_slots} photographs together; this network grades single photographs."
        if num_slots > 1
        else ""
    )
    licence = [] if facts["licence"] == NOT_STATED else [f"license: {facts['licence']}"]
    has_unknown = facts["trained_on_unknown_photographs"]
    points = facts["cut_points"]
    at_points = f" at {', '.join(f'{point:.3f}' for point in points)}" if points else ""
    return CARD.format(
        front="\n".join(["library_name: timm", *licence, "tags:", *(f"- {tag}" for tag in TAGS)]),
        scale=", ".join(f"{grade} {name}" for grade, name in enumerate(GRADE_NAMES)),
        side=side,
        steps=f" after {escape_markdown(', '.join(facts['steps']))}" if facts["steps"] else "",
        reading=READINGS.get(facts["loss"].partition(":")[0], OTHER_READING.format(facts["loss"])),
        unit=unit,
        unknown=", and others that the weights it started from had seen" if has_unknown else "",
        agreement=_describe_agreement(agreement, facts, chosen_on),
        **{key: escape_markdown(str(facts[key])) for key in QUOTED},
        decision=facts["decision"].replace("_", " ") + at_points,
        training_data=escape_markdown(", ".join(facts["training_data"])),
    )


def _describe_agreement(agreement: Agreement | None, facts: Mapping[str, Any], chosen_on: str) -> str:
    if agreement is None:
        return "The run has no graded validation photographs."
    kappa = with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval)
    joined = "of the run, its photographs joined, " if facts["photographs_a_unit"] > 1 else ""
    biased = " Its epoch was selected there, so the figure is optimistic." if chosen_on == "val" else ""
    return (
        f"Quadratic weighted kappa {joined}on val, {agreement.cases} photographs of {agreement.patients} patients,"
        f" against the {facts['target']}'s grade: {kappa}.{biased}"
    )
