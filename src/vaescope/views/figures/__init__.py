"""The figures for a paper: one file each; being here is being found."""
