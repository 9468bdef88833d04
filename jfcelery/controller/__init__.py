"""What a person does with jobs, flows and projects; the command line is a thin coat over it."""
