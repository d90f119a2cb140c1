"""What a colormap is, the errors of everything, and what reading and writing its files safely needs.

May import: nothing of ours.
"""
