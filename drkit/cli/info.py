"""`drkit info`: the facts about a machine that belong in a bug report."""

from drkit.cli.options import spread
from drkit.config.info import InfoConfig
from drkit.reporting import Report

EXAMPLES = (
    "drkit info",
    "drkit info --clear-cache",
)


@spread
def info(config: InfoConfig) -> Report:
    """Show versions, devices, memory, caches and local weights, for a bug report.

    Reads: nothing but this machine. Writes: nothing. The home folder is shown as ~.
    """
    from drkit.recipes.info import run_info

    return run_info(config)
