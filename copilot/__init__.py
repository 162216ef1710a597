"""Where the rooms meet: intent, planner, workflows, web API, command line, settings, wiring."""
