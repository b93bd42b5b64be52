"""Latents: active, mixed and passive, what they carry, collapse, and how many are needed. Pure functions."""
