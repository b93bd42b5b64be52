"""The claims: one file each; being here is being found."""
