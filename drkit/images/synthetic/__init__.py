"""Synthetic eyes: retinas drawn from anatomy, lesions that follow the ICDR grade, and a camera apart from both."""
