"""The snapshot of all texts of drkit, which `python tests/support/texts.py` rewrites."""

from difflib import unified_diff

from texts import SNAPSHOT, all_texts


def test_all_texts_are_in_the_snapshot() -> None:
    known, now = (text.splitlines() for text in (SNAPSHOT.read_text(encoding="utf-8"), all_texts()))
    changed = "\n".join(unified_diff(known, now, "snapshot", "drkit", n=1, lineterm=""))
    assert not changed, f"texts have changed: read them, then run python tests/support/texts.py\n{changed}"


def test_every_option_has_a_help_text() -> None:
    lines = all_texts().partition("\nMESSAGES\n")[0].splitlines()
    assert [line for line in lines if line.startswith("  -") and line.endswith(": ") and "(hidden)" not in line] == []
