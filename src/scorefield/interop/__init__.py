"""Weights of other projects, in and out: the torch files of NCSN, NCSNv2 and score-SDE, read without executing anything in them."""

from scorefield.interop.layouts import Imported, Layout, Moments, read_weights, write_weights

__all__ = ["Imported", "Layout", "Moments", "read_weights", "write_weights"]
