"""The fault campaign: kills, damaged files and fuzzed inputs, drawn by seed.

`make campaign` runs all of it; `PYTHONPATH=tests python -m campaign --help` says how to run a part,
and how to see a case again.  A case is a kind and a number; all that is drawn in it follows from
them and the seed.
"""
