"""Callbacks that put a Recorder into other people's trainers: Lightning, Hugging Face, pythae.

Each is a file that imports its framework; importing `vaescope` imports none of them.
"""
