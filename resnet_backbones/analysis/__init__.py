"""What a backbone costs and how its signals behave."""
