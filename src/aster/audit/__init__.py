"""Audits of runs that other tools made: reading their results files, judging the kept gains, showing the verdict."""
