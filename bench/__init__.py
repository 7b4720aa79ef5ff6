"""Measurements of Octant beside other engines. `python -m bench` says what there is; README.md says how."""
