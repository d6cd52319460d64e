"""Bytes become typed artifacts, or findings."""
