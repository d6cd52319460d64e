"""What `make bench` runs: sizes, a named baseline in the same run, and honest numbers.

sizes.py        how big a world is
rows.py         the rows of a world, the same ones on every machine
publish.py      a signed repository of them, and commits that change ten rows each
world.py        a controller on real PostgreSQL that follows that repository
shell.py        the baseline: `git pull` and `psql \\copy`, nothing checked
floor.py        the least work a change of ten rows can be, by hand
measure.py      wall and CPU of us and of the server, medians, memory

jobs.py         measures ten rows changed, nothing changed, a cold load
main_job.py     these three as parts: costs, baselines, bars
digest.py       part: every row added up, and what is kept of that under random changes
churn.py        those random changes
signatures.py   part: bundles verified, and remembered
history.py      part: a history of signed commits
rowchecks.py    part: every check of card-bin
audit.py        part: the first audit commits and those after very many
trail.py        such a long trail
startup.py      part: what small commands cost to start

results.py      a part: what was measured, against which bar
report.py       all parts in two tables
"""
