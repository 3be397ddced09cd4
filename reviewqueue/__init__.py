"""Review Queue: the Django project, review tasks, verdicts, API and screens."""
