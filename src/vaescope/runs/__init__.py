"""What training leaves behind: studies, snapshots, representations."""
