"""The reconstruction terms: one file each; being here is being found."""
