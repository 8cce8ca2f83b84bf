"""The model card of an exported run: what it is, what it was trained on, how well it grades, what it is not for."""

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
- drkit turns the answer into a grade by {decision}.{unit}

## Training

- Data: {training_data} ({trained_on} photographs{unknown}).
- Started from: {weights}.

## Agreement

{agreement}

The interval is a 95 % bootstrap over patients. Photographs of other cameras, sites and populations are graded worse;
measure it on graded photographs of your own with `drkit score`.
"""


def write_card(facts: Mapping[str, Any], side: int, agreement: Agreement | None, chosen_on: str) -> str:
    """The text of a README.md as the Hugging Face Hub reads it.

    Args:
        facts: From `collect_facts`.
        side: Of the network's images in pixels.
        agreement: Of the run's own predictions on val; None: it has none.
        chosen_on: What the epoch was selected on.
    """
    places = facts["photographs_a_unit"]
    unit = f" The run saw up to {places} photographs at once; this network grades one alone." if places > 1 else ""
    points = facts["cut_points"]
    at_points = f" at {', '.join(f'{point:.3f}' for point in points)}" if points else ""
    return CARD.format(
        front=_front_matter(facts),
        scale=", ".join(f"{grade} {name}" for grade, name in enumerate(GRADE_NAMES)),
        side=side,
        steps=f" after {escape_markdown(', '.join(facts['steps']))}" if facts["steps"] else "",
        reading=READINGS[facts["loss"].partition(":")[0]],
        unit=unit,
        unknown=", and others that the weights it started from had seen" if _has_unknown(facts) else "",
        agreement=_describe(agreement, facts, chosen_on),
        **{key: escape_markdown(str(facts[key])) for key in QUOTED},
        decision=facts["decision"].replace("_", " ") + at_points,
        training_data=escape_markdown(", ".join(facts["training_data"])),
    )


def _front_matter(facts: Mapping[str, Any]) -> str:
    licence = [] if facts["licence"] == NOT_STATED else [f"license: {facts['licence']}"]
    return "\n".join(["library_name: timm", *licence, "tags:", *(f"- {tag}" for tag in TAGS)])


def _has_unknown(facts: Mapping[str, Any]) -> bool:
    return bool(facts["trained_on_unknown_photographs"])


def _describe(agreement: Agreement | None, facts: Mapping[str, Any], chosen_on: str) -> str:
    if agreement is None:
        return "The run has no graded validation photographs."
    kappa = with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval)
    whole = "of the run, its photographs joined, " if facts["photographs_a_unit"] > 1 else ""
    biased = " Its epoch was selected there, so the figure is optimistic." if chosen_on == "val" else ""
    return (
        f"Quadratic weighted kappa {whole}on val, {agreement.cases} photographs of {agreement.patients} patients,"
        f" against the {facts['target']}'s grade: {kappa}.{biased}"
    )
