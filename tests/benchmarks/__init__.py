"""Tests of the benchmarks' world: what is measured has to be real."""
