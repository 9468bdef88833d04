"""Flows: taken apart into jobs, inserted, advanced and finished."""
