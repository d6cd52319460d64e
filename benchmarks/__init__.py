"""What `make bench` runs: sizes, a named baseline in the same run, and honest numbers.

sizes.py        how big a world is
rows.py         the rows of a world, the same ones on every machine
publish.py      a signed repository of them, and commits that change ten rows each
world.py        a controller on real PostgreSQL that follows that repository
shell.py        the baseline: `git pull` and `psql \\copy`, nothing checked
floor.py        the least work a change of ten rows can be, by hand
measure.py      wall and CPU of us and of the server, medians, memory
jobs.py         the three jobs: ten rows changed, nothing changed, a cold load
report.py       what was measured, against which bar
"""
