"""WHY: where the evidence for and against a grade lies, drawn and put to the proof."""
