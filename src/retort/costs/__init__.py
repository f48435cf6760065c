"""What a plan costs before anything is run: work, time, disk."""
