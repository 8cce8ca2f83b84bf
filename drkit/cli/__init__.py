"""THE FACE: parse, call, report. Nothing heavy is imported at module level."""
