"""Backbones under the interfaces of other libraries, each in its module; the library is imported at
the first use.
"""
