"""Commands: parse the options, call a recipe, print its report. Nothing heavy is imported at module level."""
