"""The networks: one file each; being here is being found."""
