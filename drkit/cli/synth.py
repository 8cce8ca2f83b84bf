"""`drkit synth`: synthetic fundus photographs to try drkit on."""

from drkit.cli.options import spread
from drkit.config.synth import SynthConfig
from drkit.reporting import Report

EXAMPLES = (
    "drkit synth DeepDRiD --patients 60",
    "drkit synth small --patients 12 --size 64 --seed 1",
)


@spread
def synth(config: SynthConfig) -> Report:
    """Make a data set of synthetic fundus photographs whose lesions match their grades.

    Reads: nothing. Writes: OUT in the course's layout (train, val and test with 60, 20 and 20 % of the patients),
    test_grades.csv, and masks and counts of the lesions.
    """
    from drkit.recipes.synth import run_synth

    return run_synth(config)
