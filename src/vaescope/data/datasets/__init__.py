"""The datasets: one file each; being here is being found."""
