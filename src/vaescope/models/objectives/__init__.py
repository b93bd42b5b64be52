"""The objectives: one file each; being here is being found."""
