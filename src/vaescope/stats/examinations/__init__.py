"""The examinations of a run: one file each; being here is being found."""
